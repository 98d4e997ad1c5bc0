# shellcheck shell=sh
# Root file systems made of Debian's packages, for scripts that read this file (`. scripts/support/debian.sh`). Nothing is installed
# on this machine. The script sets `state`, a directory that these functions keep apt's files in, and `give_up REASON`, which
# ends the script where the packages cannot be had.

# Debian's packages, in a state of its own in which no package is installed: so that all that one depends on comes along.
packages() {
    apt-get -qq -o Dir::State="$state/apt" -o Dir::State::status="$state/apt/status" -o Dir::Cache="$state/apt/cache" \
        -o Dir::Etc::sourcelist="$state/apt/sources.list" -o Dir::Etc::sourceparts=- -o APT::Sandbox::User=root \
        -o APT::Install-Recommends=false -y "$@"
}

# The machine's own sources of Debian, with the source packages, which they need not name. Asked once for each run in which
# an image is missing.
update_packages() {
    [ -z "${updated:-}" ] || return 0
    updated=yes
    command -v apt-get >/dev/null || give_up "the images are made of Debian's packages, and there is no apt-get"
    mkdir -p "$state/apt/lists/partial" "$state/apt/cache/archives/partial" "$state/apt/none"
    : >"$state/apt/status"
    list_sources || { apt-get update -qq >/dev/null 2>&1; list_sources; } ||
        give_up "the images are made of Debian's packages, and apt has no source of them"
    packages update >"$state/apt/log" 2>&1 || give_up "Debian's packages cannot be reached: $(tail -n 1 "$state/apt/log")"
}

list_sources() {
    # shellcheck disable=SC2016 # apt's variables
    apt-get indextargets --format '$(CREATED_BY) $(ORIGIN) $(REPO_URI) $(RELEASE) $(COMPONENT)' |
        sed -n 's/^Packages Debian \(.*\)/deb \1\ndeb-src \1/p' | sort -u >"$state/apt/sources.list"
    [ -s "$state/apt/sources.list" ]
}

# unpack DIRECTORY PACKAGE...: a root file system of these packages and all that they depend on, without their scripts.
unpack() {
    directory=$1
    shift
    update_packages
    mkdir -p "$directory/usr/bin" "$directory/usr/sbin" "$directory/usr/lib" "$directory/usr/lib64" "$directory/tmp"
    chmod 1777 "$directory/tmp"
    for merged in bin sbin lib lib64; do
        ln -s "usr/$merged" "$directory/$merged"
    done
    # Without the cache, or it would leave out what is there already.
    packages install --print-uris -o Dir::Cache::archives="$state/apt/none" "$@" | sed -n "s/^'[^']*' \([^ ]*\) .*/\1/p" >"$state/apt/wanted"
    packages install --download-only "$@" >"$state/apt/log" 2>&1 ||
        give_up "Debian's packages cannot be had: $(tail -n 1 "$state/apt/log")"
    while read -r package; do
        dpkg-deb --fsys-tarfile "$state/apt/cache/archives/$package" |
            tar -x -C "$directory" --keep-directory-symlink --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' \
                --exclude='./usr/share/locale/*'
    done <"$state/apt/wanted"
}

# busybox DIRECTORY: gives a root file system busybox, by every name that is not taken.
busybox() {
    unpack "$state/busybox" busybox-static
    cp "$state/busybox/usr/bin/busybox" "$1/usr/bin/busybox"
    rm -rf "$state/busybox"
    "$1/usr/bin/busybox" --list | while read -r applet; do
        [ -e "$1/usr/bin/$applet" ] || ln -s busybox "$1/usr/bin/$applet"
    done
}
