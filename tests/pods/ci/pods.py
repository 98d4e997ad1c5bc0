"""The Pod that a CI system creates from a recipe beside this file, and the same as Debian's podman (4.3) can play it.

    pods.py RECIPE VOLUMES OUTPUT

RECIPE is one of jenkins, gitlab, github, tekton and argo. VOLUMES becomes the directory of the Pod's volumes, OUTPUT that of

    created.yaml   the Pod, to be held against Kubernetes' schema: what the system adds is in it, as far as it matters here
    played.yaml    the same for podman, with the ConfigMaps that the recipe has
    run            what is to be done then: "exec CONTAINER DIRECTORY" or "logs CONTAINER"
    script         for exec: what the system's agent has a shell do there
"""

import os
import pathlib
import re
import shutil
import sys
import textwrap
import tomllib

import yaml

HERE = pathlib.Path(__file__).parent

# The systems' own images cannot be had offline. What they do in a Pod, k8psh has no part in.
STAND_INS = {
    "docker.io/jenkins/inbound-agent:latest": "docker.io/library/busybox:1",
    "registry.gitlab.com/gitlab-org/gitlab-runner/gitlab-runner-helper:latest": "docker.io/library/busybox:1",
    "ghcr.io/actions/actions-runner:latest": "registry.example/make:1",
}
IDLE = {"command": ["sleep"], "args": ["infinity"]}


def documents(name):
    """All documents of a file, by their kind."""
    return {document["kind"]: document for document in yaml.safe_load_all((HERE / name).read_text())}


def config_maps(name):
    """All ConfigMaps of a file."""
    return [document for document in yaml.safe_load_all((HERE / name).read_text()) if document["kind"] == "ConfigMap"]


def pod_of(name, spec, annotations=None):
    """A Pod that is not started again."""
    metadata = {"name": name} | ({"annotations": annotations} if annotations else {})
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"restartPolicy": "Never"} | spec}


def shell(lines):
    """A step's script ends at the first failure."""
    return "set -e\n" + lines


def jenkins():
    """The plugin adds its agent, and the workspace to every container."""
    parts = dict(re.findall(r"(yaml|sh) '''\n(.*?)'''", (HERE / "jenkins.Jenkinsfile").read_text(), re.DOTALL))
    template = yaml.safe_load(textwrap.dedent(parts["yaml"]))
    spec = template["spec"]
    spec["containers"].append({"name": "jnlp", "image": "docker.io/jenkins/inbound-agent:latest"})
    spec["volumes"].append({"name": "workspace-volume", "emptyDir": {}})
    for container in spec["containers"]:
        mounts = container.setdefault("volumeMounts", [])
        mounts.append({"name": "workspace-volume", "mountPath": "/home/jenkins/agent"})
    pod = pod_of("jenkins", spec, template["metadata"]["annotations"])
    checkout = ("workspace-volume", "workspace/build")
    return pod, [], checkout, ("client", "/home/jenkins/agent/workspace/build", shell(textwrap.dedent(parts["sh"])))


def gitlab():
    """The executor makes containers for the job, its own helper and each service, and merges the runner's patch into it."""
    runner, = (m for m in config_maps("gitlab-runner.yaml") if m["metadata"]["name"] == "gitlab-runner")
    settings = tomllib.loads(runner["data"]["config.toml"])["runners"][0]["kubernetes"]
    job = yaml.safe_load((HERE / "gitlab-ci.yml").read_text())["build"]
    volumes = [{"name": "repo", "emptyDir": {}}]
    mounts = [{"name": "repo", "mountPath": "/builds"}]
    for kind, source in ("empty_dir", lambda v: {"emptyDir": {}}), ("config_map", lambda v: {"configMap": {"name": v["name"]}}):
        for volume in settings["volumes"].get(kind, []):
            volumes.append({"name": volume["name"]} | source(volume))
            mounts.append({"name": volume["name"], "mountPath": volume["mount_path"]})
    common = {"volumeMounts": mounts, "env": [{"name": n, "value": v} for n, v in job["variables"].items()]}
    helper = {"image": "registry.gitlab.com/gitlab-org/gitlab-runner/gitlab-runner-helper:latest"}
    containers = [{"name": "build", "image": job["image"]} | IDLE | common, {"name": "helper"} | helper | common]
    for number, service in enumerate(job["services"]):
        words = {"command": service["entrypoint"], "args": service["command"]}
        containers.append({"name": f"svc-{number}", "image": service["name"]} | words | common)
    patch = yaml.safe_load(textwrap.dedent(settings["pod_spec"][0]["patch"]))
    spec = {"volumes": volumes, "initContainers": patch["initContainers"], "containers": containers}
    maps = [m for m in config_maps("gitlab-runner.yaml") if m["metadata"]["name"] == "k8psh"]
    return pod_of("gitlab", spec), maps, ("repo", "build"), ("build", "/builds/build", shell("\n".join(job["script"])))


def github():
    """The controller takes the template as it is; a step is a shell that the runner starts in its own container."""
    template = yaml.safe_load((HERE / "github-runners.yaml").read_text())["template"]
    steps = yaml.safe_load((HERE / "github-workflow.yml").read_text())["jobs"]["build"]["steps"]
    script = shell("".join(step["run"] for step in steps if "run" in step))
    pod = pod_of("github", template["spec"], template["metadata"]["annotations"])
    return pod, [], ("work", "build"), ("runner", "/home/runner/_work/build", script)


def tekton():
    """Steps and sidecars become containers; Tekton starts one step after the other."""
    text = (HERE / "tekton.yaml").read_text()
    for variable, value in ("path", "/workspace/source"), ("volume", "ws-source"):
        text = text.replace(f"$(workspaces.source.{variable})", value)
    parts = {document["kind"]: document for document in yaml.safe_load_all(text)}
    task, run = parts["Task"]["spec"], parts["TaskRun"]["spec"]
    containers = []
    for prefix, entries in ("step-", task["steps"]), ("sidecar-", task["sidecars"]):
        for entry in entries:
            container = {key: value for key, value in entry.items() if key != "script"}
            container["name"] = prefix + entry["name"]
            if "script" in entry:
                container["command"] = ["/bin/sh", "-c", entry["script"]]
            if prefix == "step-":
                container["volumeMounts"].append({"name": "ws-source", "mountPath": "/workspace/source"})
            containers.append(container)
    claim = {"name": "ws-source", "persistentVolumeClaim": run["workspaces"][0]["persistentVolumeClaim"]}
    spec = {"volumes": task["volumes"] + [claim], "containers": containers}
    return pod_of("tekton", spec), [parts["ConfigMap"]], ("ws-source", "."), ("step-build",)


def argo():
    """The step's container is called main; sidecars stand beside it."""
    parts = documents("argo-workflow.yaml")
    workflow = parts["Workflow"]["spec"]
    template, = (t for t in workflow["templates"] if t["name"] == workflow["entrypoint"])
    spec = {
        "volumes": workflow["volumes"] + template["volumes"],
        "initContainers": template["initContainers"],
        "containers": [{"name": "main"} | template["container"]] + template["sidecars"],
    }
    return pod_of("argo", spec), [parts["ConfigMap"]], ("source", "."), ("main",)


def directory_for(volume, pod, volumes):
    """A volume's directory, as the kubelet would have made it; None for those that podman knows."""
    place = volumes / volume["name"]
    if "configMap" in volume:
        return None
    place.mkdir()
    for item in volume.get("downwardAPI", {}).get("items", []):
        key = re.fullmatch(r"metadata\.annotations\['(.*)'\]", item["fieldRef"]["fieldPath"])[1]
        (place / item["path"]).write_text(pod["metadata"]["annotations"][key])
    place.chmod(0o777)
    return place


def for_podman(pod, volumes):
    """What podman lacks becomes what the kubelet, or the system, would make of it."""
    spec = pod["spec"]
    for number, volume in enumerate(spec["volumes"]):
        place = directory_for(volume, pod, volumes)
        if place:
            spec["volumes"][number] = {"name": volume["name"], "hostPath": {"path": str(place), "type": "Directory"}}
    pod["metadata"].pop("annotations", None)     # podman takes 63 bytes of one, Kubernetes 256 KiB
    sidecars = [c for c in spec.get("initContainers", []) if c.pop("restartPolicy", None)]
    first_steps = [c for c in spec["containers"] if c["name"].startswith("step-")][:-1]
    for container in sidecars:
        container.pop("startupProbe", None)
        print(f"{pod['metadata']['name']}: played without sidecars: {container['name']} is an ordinary container", file=sys.stderr)
    if first_steps:
        print(f"{pod['metadata']['name']}: played without an order of steps: the first are init containers", file=sys.stderr)
    started_first = [c for c in spec.get("initContainers", []) if c not in sidecars] + first_steps
    spec["containers"] = sidecars + [c for c in spec["containers"] if c not in first_steps]
    spec["initContainers"] = started_first
    for container in spec["containers"]:
        if container["image"] in STAND_INS:
            container["image"] = STAND_INS[container["image"]]
            container.update(IDLE)


def check_out(place, user):
    """The project's sources, as the system's agent would have put them there."""
    place.mkdir(parents=True, exist_ok=True)
    for name in "hello.c", "Makefile":
        shutil.copy(HERE / "project" / name, place)
    for path in [place, *place.iterdir()]:
        os.chown(path, user, user)


def main():
    recipe, volumes, output = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    pod, maps, (volume, directory), run = globals()[recipe]()
    shutil.rmtree(volumes, ignore_errors=True)
    volumes.mkdir(parents=True)
    output.mkdir(parents=True, exist_ok=True)
    (output / "created.yaml").write_text(yaml.safe_dump(pod))
    for_podman(pod, volumes)
    check_out(volumes / volume / directory, pod["spec"].get("securityContext", {}).get("runAsUser", 0))
    (output / "played.yaml").write_text(yaml.safe_dump_all([*maps, pod]))
    (output / "run").write_text(f"exec {run[0]} {run[1]}\n" if len(run) == 3 else f"logs {run[0]}\n")
    (output / "script").write_text(run[2] if len(run) == 3 else "")


main()
