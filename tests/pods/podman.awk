# Rewrites a manifest into what Debian's podman (4.3) can play: what it lacks becomes what the kubelet would make of it.
# Tells each change on stderr, but for those that are the same for all.
#
#   awk -v volumes=DIRECTORY -v image=DIRECTORY [-v kind=KIND] -f podman.awk MANIFEST
#
# - emptyDir: a directory below `volumes`. Podman's own would belong to root; the kubelet's is open to everybody.
# - secret, persistentVolumeClaim: a directory of that name below `volumes`, which the caller fills.
# - image: the image's root file system, which the caller has mounted at `image`.
# - Job, CronJob, Deployment: the Pod of its template, restarted after failures only: with Always podman would start init
#   containers again and again, for 20 s.
# - Init containers with restartPolicy: Always become the first of the ordinary ones, without their probes.
# - Liveness probes are left out: podman would have curl in the container ask, and systemd's timers start it.
# - Service, Ingress, Secret, NetworkPolicy, PodDisruptionBudget and PersistentVolumeClaim are left out; with `kind`, all but that and ConfigMaps.
#
# It knows the manifests beside it, not YAML: a volume is one line in braces, a container begins with "- name:".

function tell(what) { print name ": " what >"/dev/stderr" }

# A template's Pod, as a manifest of its own.
function unwrap(    i, indent, from, inner) {
    for (i = 1; i <= count && line[i] !~ /^ *template:$/; i++) { }
    indent = match(line[i], /[^ ]/) + 1
    from = i
    inner = 0
    out[++inner] = "apiVersion: v1"
    out[++inner] = "kind: Pod"
    out[++inner] = "metadata: {name: " name "}"
    while (++i <= count && match(line[i], /[^ ]/) > indent)
        if (substr(line[i], indent + 1) !~ /^metadata:/) out[++inner] = substr(line[i], indent + 1)
    if (found == "Deployment") out[++inner] = "  restartPolicy: OnFailure"
    for (i = 1; i <= inner; i++) line[i] = out[i]
    count = inner
}

# One volume of the kubelet's.
function volume(text,    label) {
    label = text
    sub(/^.*name: /, "", label)
    sub(/[,}].*$/, "", label)
    if (text ~ /emptyDir: /) place = volumes "/" label
    else if (text ~ /secret: \{/) { place = volumes "/secret-" label }
    else if (text ~ /persistentVolumeClaim: \{/) place = volumes "/claim-" label
    else if (text ~ /image: \{reference: /) place = image
    else return text
    sub(/- \{name: .*$/, "- {name: " label ", hostPath: {path: " place ", type: Directory}}", text)
    return text
}

# Prints a Pod, sidecars last among those that it starts before the others.
function pod(    i, indent, block, sidecars, plain, label) {
    for (i = 1; i <= count && line[i] !~ /^ *initContainers:$/; i++) print volume(line[i])
    if (i > count) return
    indent = match(line[i], /[^ ]/)
    sidecars = plain = block = ""
    while (++i <= count + 1) {
        if (i > count || line[i] ~ /^ *- name: / && match(line[i], /[^ ]/) == indent + 2 ||
            match(line[i], /[^ ]/) <= indent) {
            if (block ~ /\n *restartPolicy: Always\n/) {
                label = block
                sub(/^ *- name: /, "", label)
                sub(/[ \n].*$/, "", label)
                tell("played without sidecars: " label " is an ordinary container")
                sub(/\n *restartPolicy: Always\n/, "\n", block)
                sub(/\n *startupProbe:\n( *(exec|periodSeconds|failureThreshold): [^\n]*\n)*/, "\n", block)
                sidecars = sidecars block
            } else
                plain = plain block
            block = ""
            if (i > count || match(line[i], /[^ ]/) <= indent) break
        }
        block = block line[i] "\n"
    }
    if (plain != "") printf "%*sinitContainers:\n%s", indent - 1, "", plain
    print line[i]
    printf "%s", sidecars
    while (++i <= count) print line[i]
}

function document(    i) {
    found = name = ""
    for (i = 1; i <= count; i++) {
        if (line[i] ~ /^kind: /) found = substr(line[i], 7)
        if (line[i] ~ /^metadata: \{name: /) { name = line[i]; gsub(/^metadata: \{name: |\}$/, "", name) }
    }
    if (found ~ /^(Job|CronJob|Deployment)$/) unwrap()
    if (found !~ /^(Service|Ingress|Secret|NetworkPolicy|PodDisruptionBudget|PersistentVolumeClaim|)$/ &&
        (kind == "" || found == kind || found == "ConfigMap")) {
        print "---"
        if (found == "ConfigMap") for (i = 1; i <= count; i++) print line[i]
        else pod()
    }
    count = 0
}

/^---$/ { document(); next }
count == 0 && /^#/ { next }
/^ *livenessProbe:/ { left_out = match($0, /[^ ]/); next }
left_out && match($0, /[^ ]/) > left_out { next }
{ left_out = 0 }
{ line[++count] = $0 }
END { document() }
