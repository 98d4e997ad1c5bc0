# shellcheck shell=sh
# Real Pods for scripts that read this file (`. scripts/support/pods.sh`, from the project's directory): podman with a store and
# networks of its own below target/pods, and the images that manifests name, made of Debian's packages. Nothing of the
# machine's own podman is used or changed.

state=$PWD/target/pods
volumes=$state/volumes
empty=$state/empty          # podman takes a folder of an image's name in the working directory for one to build
engine=$state/podman
helper=../shared/tools/podman.sh
image=registry.example/k8psh:1.0.0
manifests=tests/pods
failed=0
network=

. scripts/support/debian.sh

say() {
    echo "$@" >&2
}

# What the rest does without.
skip() {
    say "skipped: $*"
}

give_up() {
    echo "$*"
    exit 77
}

# Podman with a store and networks of its own. It tells at every call what it thinks of plugins that it does not use.
pm() {
    (cd "$empty" && "$engine" "$@")
}

make_engine() {
    cat >"$engine" <<END
#!/bin/sh
exec '$(command -v podman)' --root '$state/store' --runroot '$state/run' --network-config-dir '$state/networks' --log-level=error "\$@"
END
    chmod +x "$engine"
}

# Podman, what it needs, and a place to keep its things.
prepare() {
    [ "$(id -u)" = 0 ] || give_up "real Pods need root"
    if [ -x "$helper" ]; then
        "$helper" >"$state/podman.log" 2>&1 || give_up "podman cannot be had: $(tail -n 1 "$state/podman.log")"
    elif ! command -v podman >/dev/null; then
        give_up "podman is not installed"
    fi
    make_engine
    # The network of a Pod is made by netavark, which calls iptables and does not depend on it.
    if ! command -v iptables >/dev/null; then
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq iptables >"$state/iptables.log" 2>&1 ||
            give_up "iptables, which podman's networks need, cannot be had"
    fi
    # What Debian and images call the same.
    architecture=$(dpkg --print-architecture 2>/dev/null) || give_up "the images are made of Debian's packages"
    case $architecture in
        amd64 | arm64 | riscv64 | s390x) ;;
        *) give_up "Debian's $architecture has another name in images" ;;
    esac
    pm info >"$state/podman.log" 2>&1 || give_up "podman does not work here: $(tail -n 1 "$state/podman.log")"
}

# Leaves no process, no network and no mounted file system.
clean_up() {
    pm pod rm -f -t 0 -a >/dev/null 2>&1 || true
    pm rm -f -t 0 -a >/dev/null 2>&1 || pm rm -f -t 0 -a >/dev/null 2>&1 || true     # some need others to go first
    pm volume rm -f -a >/dev/null 2>&1 || true
    [ -z "$network" ] || pm network rm -f "$network" >/dev/null 2>&1 || true
    pm image umount "$image" >/dev/null 2>&1 || true
    rm -rf "$volumes"
}

# make_image NAME FUNCTION [ARGUMENT...]: unless there is one, the image of what the function puts into a directory.
make_image() {
    name=$1
    shift
    ! pm image exists "$name" || return 0
    say "making $name"
    root=$state/root
    rm -rf "$root"
    mkdir -p "$root"
    "$@"
    mkdir -p "$root/etc"
    [ -e "$root/etc/passwd" ] || echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
    tar -c -C "$root" . |
        pm import -q --change ENV=PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin - "$name" >/dev/null
    rm -rf "$root"
}

# shellcheck disable=SC2317,SC2329 # called by make_image
busybox_image() {
    mkdir -p "$root/usr/bin" "$root/tmp"
    chmod 1777 "$root/tmp"
    ln -s usr/bin "$root/bin"
    busybox "$root"
}

# shellcheck disable=SC2317,SC2329 # called by make_image
debian_image() {
    unpack "$root" "$@"
    busybox "$root"
}

# The source of Lua as its authors published it, in an image that can copy it.
# shellcheck disable=SC2317,SC2329 # called by make_image
lua_image() {
    busybox_image
    update_packages
    (cd "$state/apt" && packages source --download-only --tar-only lua5.4 >log 2>&1) ||
        give_up "Lua's source cannot be had: $(tail -n 1 "$state/apt/log")"
    mkdir "$root/source"
    tar -x -C "$root/source" --strip-components=1 -f "$state/apt"/lua5.4_*.orig.tar.*
    rm -f "$state/apt"/lua5.4_*
}

# The program of the client without a shell, compiled by the toolchain's image, in the image that its Dockerfile says.
distroless_image() {
    context=$state/context
    rm -rf "$context"
    mkdir -p "$context"
    cp $manifests/distroless.c $manifests/distroless.Dockerfile "$context"
    pm run --rm --network=none -v "$context:/context" docker.io/library/gcc:12 \
        gcc -Wall -Wextra -Os -static -o /context/build /context/distroless.c
    pm build -q -f "$context/distroless.Dockerfile" -t registry.example/build:1 "$context" >/dev/null
    rm -rf "$context"
}

make_images() {
    scripts/build "$architecture" >"$state/build.log" 2>&1 || { cat "$state/build.log" >&2; exit 1; }
    "$engine" build -q -f Dockerfile.scratch \
        --build-arg TARGETARCH="$architecture" --build-arg TARGETVARIANT= -t "$image" . >/dev/null
    make_image docker.io/library/busybox:1 busybox_image
    make_image registry.example/make:1 debian_image make
    make_image docker.io/library/gcc:12 debian_image gcc libc6-dev
    make_image registry.example/musl-gcc:12 debian_image gcc musl-tools dash
    make_image registry.example/lua-source:5.4 lua_image
    distroless_image
    binary=target/images/linux/$architecture/bin
}

# has PROGRAM WORDS: whether the program's --help has these words.
has() {
    "$binary/$1" --help | grep -q -e "$2"
}

# make_venv PROGRAM: has a Python package's program ready as $venv/bin/PROGRAM.
make_venv() {
    venv=$state/venv
    "$venv/bin/$1" --version >/dev/null 2>&1 ||
        { { [ -x "$venv/bin/pip" ] || python3 -m venv "$venv"; } && "$venv/bin/pip" -q install "$1"; } >"$state/venv.log" 2>&1
}
