"""The cluster's API: authentication by the `kubernetes` package, raw JSON, errors mapped at this border."""
