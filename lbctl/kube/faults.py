"""What it means when no answer comes: urllib3's and OpenSSL's exceptions as one sentence, one hint, and whether the
request may have reached the server."""

from __future__ import annotations

import http.client
import ssl

from urllib3 import exceptions

from lbctl.kube.config import Place
from lbctl.kube.errors import Unreachable, quoted

# OpenSSL's X509_V_ERR_*: no chain to a CA that is trusted.
UNTRUSTED = {2, 18, 19, 20, 21}
NOT_YET, EXPIRED, WRONG_NAME, WRONG_IP = 9, 10, 62, 64


def unreachable(fault: exceptions.HTTPError, place: Place, timeout: float) -> Unreachable:
    """The error for a request to `place` that ended with `fault`; `timeout` is what it was given, in seconds."""
    if isinstance(fault, exceptions.ProxyError):
        return _proxy(fault, place)
    if isinstance(fault, exceptions.SSLError):
        return _tls(fault, place)
    if isinstance(fault, exceptions.NameResolutionError):
        return Unreachable(
            f"the name of the API server at {place.server} cannot be resolved",
            hint=f"check the server in {place.source}, and whether you are on the network (VPN?) that knows the name",
            sent=False,
        )
    if isinstance(fault, exceptions.ReadTimeoutError):
        return Unreachable(
            f"the API server at {place.server} did not answer within {timeout:g} s",
            hint="give it longer with --request-timeout, or see whether it is well: "
            f"{place.kubectl} get --raw=/readyz?verbose",
        )
    if isinstance(fault, (exceptions.ConnectTimeoutError, exceptions.NewConnectionError)):
        return _connecting(fault, place, timeout)
    if isinstance(fault, exceptions.ProtocolError):
        return _broken(fault, place)
    why = "its gzip is broken" if isinstance(fault, exceptions.DecodeError) else quoted(str(fault))
    return Unreachable(
        f"the API server at {place.server} gave an answer that is no HTTP: {why}",
        hint=f"see what stands at that address; it is the server in {place.source}",
    )


def _connecting(fault: exceptions.HTTPError, place: Place, timeout: float) -> Unreachable:
    cause = fault.__cause__
    if isinstance(cause, ConnectionRefusedError):
        return Unreachable(
            f"the API server at {place.server} refuses connections",
            hint=f"see whether the cluster is up, and whether this is its address (the server in {place.source})",
            sent=False,
        )
    if isinstance(fault, exceptions.NewConnectionError):
        why = cause.strerror if isinstance(cause, OSError) and cause.strerror else "no connection"
        sentence = f"the API server at {place.server} cannot be reached: {why}"
    else:
        sentence = f"the API server at {place.server} cannot be reached: no connection within {timeout:g} s"
    return Unreachable(
        sentence,
        hint="see whether the cluster is up, and whether a firewall or a missing VPN stands between",
        sent=False,
    )


def _broken(fault: exceptions.ProtocolError, place: Place) -> Unreachable:
    cause = fault.args[1] if len(fault.args) > 1 else None
    if isinstance(cause, http.client.BadStatusLine) and not isinstance(cause, http.client.RemoteDisconnected):
        return Unreachable(
            f"what answers at {place.server} does not speak HTTP",
            hint=f"an https server at an http URL? It is the server in {place.source}",
        )
    return Unreachable(
        f"the connection to the API server at {place.server} broke off before the answer was whole",
        hint="try again; if it stays so, look at the API server's log and at proxies in between",
        reset=isinstance(cause, ConnectionError),
    )


def _proxy(fault: exceptions.ProxyError, place: Place) -> Unreachable:
    cause = fault.original_error
    inner = cause.__cause__ if isinstance(cause, exceptions.NewConnectionError) else cause
    why = getattr(inner, "strerror", None) or str(inner)
    return Unreachable(
        f"the proxy in front of the API server at {place.server} does not let us through: {quoted(why, 200)}",
        hint=f"see proxy-url in {place.source}, else HTTPS_PROXY and NO_PROXY in the environment",
        sent=False,
    )


def _tls(fault: exceptions.SSLError, place: Place) -> Unreachable:
    cause = fault.args[0] if fault.args else None
    if isinstance(cause, ssl.SSLCertVerificationError):
        return _certificate(cause, place)
    reason = getattr(cause, "reason", None) or ""
    if reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG"):
        return Unreachable(
            f"what answers at {place.server} does not speak https",
            hint=f"a plain http server, or a proxy? It is the server in {place.source}",
            sent=False,
        )
    if "ALERT" in reason and ("CERTIFICATE" in reason or "UNKNOWN_CA" in reason):
        return Unreachable(
            f"{place.server} does not accept the client certificate of {place.who}",
            hint="it has expired or another CA signed it: take the kubeconfig anew",
        )
    if isinstance(cause, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return Unreachable(
            f"{place.server} hung up while a secure connection was being made",
            hint=f"it may want another client certificate than that of {place.who}, or a proxy stands between",
        )
    return Unreachable(
        f"no secure connection to {place.server}: {quoted(reason or str(cause or fault), 200)}",
        hint=f"see the certificates that cluster and user have in {place.source}",
    )


def _certificate(cause: ssl.SSLCertVerificationError, place: Place) -> Unreachable:
    code, server = cause.verify_code, place.server
    if code in (EXPIRED, NOT_YET):
        state = "has expired" if code == EXPIRED else "is not valid yet"
        sentence = f"the certificate of the API server at {server} {state}"
        hint = "see this machine's clock (date); then renew it on the control plane (kubeadm certs check-expiration)"
    elif code in (WRONG_NAME, WRONG_IP) or "match" in str(cause.verify_message):
        sentence = f"the certificate of the API server at {server} is for another name: {quoted(cause.verify_message)}"
        hint = f"name it as the certificate does: server or tls-server-name of the cluster in {place.source}"
    elif code in UNTRUSTED:
        sentence = f"the certificate of the API server at {server} is not signed by {place.authority}"
        hint = "another or a rebuilt cluster? Take its kubeconfig anew"
    else:
        sentence = f"the certificate of the API server at {server} is not good: {quoted(cause.verify_message)}"
        hint = f"it is checked against {place.authority}"
    return Unreachable(sentence, hint=hint, sent=False)
