"""The five kinds of core/v1 that the sandbox serves, as shapes. Facts of the API alone, no behaviour.

Those of other groups have rooms of their own, and use what all kinds share.
"""

from __future__ import annotations

from lbctl.sandbox.schema import (
    ANYTHING,
    BASE64,
    FLAG,
    FLAG_KEPT,
    INT,
    INT_ALWAYS,
    INT_KEPT,
    LONG,
    LONG_KEPT,
    MICROTIME_ALWAYS,
    PORT,
    TEXT,
    TEXT_ALWAYS,
    TEXT_KEPT,
    TIME,
    TIME_ALWAYS,
    Many,
    Map,
    Shape,
    Struct,
)

OWNER = Struct(
    "OwnerReference",
    {
        "apiVersion": TEXT_ALWAYS,
        "kind": TEXT_ALWAYS,
        "name": TEXT_ALWAYS,
        "uid": TEXT_ALWAYS,
        "controller": FLAG_KEPT,
        "blockOwnerDeletion": FLAG_KEPT,
    },
)
META = Struct(
    "ObjectMeta",
    {
        "name": TEXT,
        "generateName": TEXT,
        "namespace": TEXT,
        "selfLink": TEXT,
        "uid": TEXT,
        "resourceVersion": TEXT,
        "generation": LONG,
        "creationTimestamp": TIME,
        "deletionTimestamp": TIME,
        "deletionGracePeriodSeconds": LONG_KEPT,
        "labels": Map(),
        "annotations": Map(),
        "ownerReferences": Many(OWNER, keys=("uid",), merge="uid"),
        "finalizers": Many(union=True),
        "managedFields": Many(ANYTHING),
    },
)
CONDITION = Struct(
    "Condition",
    {
        "type": TEXT_ALWAYS,
        "status": TEXT_ALWAYS,
        "observedGeneration": LONG,
        "lastTransitionTime": TIME_ALWAYS,
        "reason": TEXT_ALWAYS,
        "message": TEXT_ALWAYS,
    },
)


def top(name: str, **fields: Shape) -> Struct:
    """What can be asked for by itself."""
    return Struct(name, {"kind": TEXT, "apiVersion": TEXT, "metadata": META, **fields})


SERVICE = top(
    "Service",
    spec=Struct(
        "ServiceSpec",
        {
            "ports": Many(
                Struct(
                    "ServicePort",
                    {
                        "name": TEXT,
                        "protocol": TEXT,
                        "appProtocol": TEXT_KEPT,
                        "port": INT_ALWAYS,
                        "targetPort": PORT,
                        "nodePort": INT,
                    },
                ),
                keys=("port", "protocol"),
                merge="port",
            ),
            "selector": Map(atomic=True),
            "clusterIP": TEXT,
            "clusterIPs": Many(),
            "type": TEXT,
            "externalIPs": Many(),
            "sessionAffinity": TEXT,
            "loadBalancerIP": TEXT,
            "loadBalancerSourceRanges": Many(),
            "externalName": TEXT,
            "externalTrafficPolicy": TEXT,
            "healthCheckNodePort": INT,
            "publishNotReadyAddresses": FLAG,
            "sessionAffinityConfig": Struct(
                "SessionAffinityConfig",
                {"clientIP": Struct("ClientIPConfig", {"timeoutSeconds": INT_KEPT}, pointer=True)},
                pointer=True,
            ),
            "ipFamilies": Many(),
            "ipFamilyPolicy": TEXT_KEPT,
            "allocateLoadBalancerNodePorts": FLAG_KEPT,
            "loadBalancerClass": TEXT_KEPT,
            "internalTrafficPolicy": TEXT_KEPT,
            "trafficDistribution": TEXT_KEPT,
        },
    ),
    status=Struct(
        "ServiceStatus",
        {
            "loadBalancer": Struct(
                "LoadBalancerStatus",
                {
                    "ingress": Many(
                        Struct(
                            "LoadBalancerIngress",
                            {
                                "ip": TEXT,
                                "hostname": TEXT,
                                "ipMode": TEXT_KEPT,
                                "ports": Many(
                                    Struct(
                                        "PortStatus", {"port": INT_ALWAYS, "protocol": TEXT_ALWAYS, "error": TEXT_KEPT}
                                    )
                                ),
                            },
                        )
                    )
                },
            ),
            "conditions": Many(CONDITION, keys=("type",), merge="type"),
        },
    ),
)

CONFIG_MAP = top("ConfigMap", immutable=FLAG_KEPT, data=Map(), binaryData=Map(BASE64))

NAMESPACE = top(
    "Namespace",
    spec=Struct("NamespaceSpec", {"finalizers": Many()}),
    status=Struct(
        "NamespaceStatus",
        {
            "phase": TEXT,
            "conditions": Many(
                Struct(
                    "NamespaceCondition",
                    {
                        "type": TEXT_ALWAYS,
                        "status": TEXT_ALWAYS,
                        "lastTransitionTime": TIME,
                        "reason": TEXT,
                        "message": TEXT,
                    },
                ),
                keys=("type",),
                merge="type",
            ),
        },
    ),
)

NODE_INFO = (
    "machineID",
    "systemUUID",
    "bootID",
    "kernelVersion",
    "osImage",
    "containerRuntimeVersion",
    "kubeletVersion",
    "kubeProxyVersion",
    "operatingSystem",
    "architecture",
)
NODE = top(
    "Node",
    spec=Struct(
        "NodeSpec",
        {
            "podCIDR": TEXT,
            "podCIDRs": Many(union=True),
            "providerID": TEXT,
            "unschedulable": FLAG,
            "taints": Many(
                Struct("Taint", {"key": TEXT_ALWAYS, "value": TEXT, "effect": TEXT_ALWAYS, "timeAdded": TIME}),
            ),
            "configSource": ANYTHING,
            "externalID": TEXT,
        },
    ),
    status=Struct(
        "NodeStatus",
        {
            "capacity": Map(ANYTHING),
            "allocatable": Map(ANYTHING),
            "phase": TEXT,
            "conditions": Many(
                Struct(
                    "NodeCondition",
                    {
                        "type": TEXT_ALWAYS,
                        "status": TEXT_ALWAYS,
                        "lastHeartbeatTime": TIME_ALWAYS,
                        "lastTransitionTime": TIME_ALWAYS,
                        "reason": TEXT,
                        "message": TEXT,
                    },
                ),
                keys=("type",),
                merge="type",
            ),
            "addresses": Many(
                Struct("NodeAddress", {"type": TEXT_ALWAYS, "address": TEXT_ALWAYS}), keys=("type",), merge="type"
            ),
            "daemonEndpoints": Struct(
                "NodeDaemonEndpoints", {"kubeletEndpoint": Struct("DaemonEndpoint", {"Port": INT_ALWAYS})}
            ),
            "nodeInfo": Struct("NodeSystemInfo", dict.fromkeys(NODE_INFO, TEXT_ALWAYS)),
            "images": Many(ANYTHING),
            "volumesInUse": Many(),
            "volumesAttached": Many(ANYTHING),
        },
    ),
)

REFERENCE = {
    "kind": TEXT,
    "namespace": TEXT,
    "name": TEXT,
    "uid": TEXT,
    "apiVersion": TEXT,
    "resourceVersion": TEXT,
    "fieldPath": TEXT,
}
EVENT = top(
    "Event",
    involvedObject=Struct("ObjectReference", REFERENCE, atomic=True),
    reason=TEXT,
    message=TEXT,
    source=Struct("EventSource", {"component": TEXT, "host": TEXT}),
    firstTimestamp=TIME_ALWAYS,
    lastTimestamp=TIME_ALWAYS,
    count=INT,
    type=TEXT,
    eventTime=MICROTIME_ALWAYS,
    series=Struct("EventSeries", {"count": INT, "lastObservedTime": MICROTIME_ALWAYS}, pointer=True),
    action=TEXT,
    related=Struct("ObjectReference", REFERENCE, pointer=True, atomic=True),
    reportingComponent=TEXT_ALWAYS,
    reportingInstance=TEXT_ALWAYS,
)
