"""Pool files out of other systems' configuration: MetalLB, Cilium, the kube-vip cloud provider, PureLB.

One module a system: objects of the API in, drafts of pools out, and a remark for everything that cannot be carried
over. `settle` makes of the drafts of all systems one set of pools that a pool file can hold, `write` the file's text.
All of it is pure. Nobody may get an address by an import who could not before: what a pool file cannot say makes a pool
narrower, or disabled, and is said.
"""
