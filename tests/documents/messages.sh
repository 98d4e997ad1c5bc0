#!/bin/sh
# shellcheck disable=SC2016  # What is in single quotes is for the commands and the configurations.
# Makes every mistake that the documents tell about, so that their messages can be compared with what is printed here.
# Run by messages.rs: in an empty directory that is shown as /workspace, with k8psh and k8pshd on the PATH.

# configuration TEXT: the file of all that follows; nobody waits for a server that is not there.
configuration() {
    printf 'connectTimeoutMs = %s\n%s\n' "${timeout:-0}" "$1" >k8psh.conf
}

# server NAME OPTION...: a server that is up.
server() {
    k8pshd "$@" --disable-client-executables &
    until k8psh --probe "$2" 2>/dev/null; do sleep 0.02; done
}

mkdir -p ../stubs ../etc/k8psh ../root src
for name in gcc vi; do ln -s "$(command -v k8psh)" ../stubs/$name; done
PATH=$(cd ../stubs && pwd):$PATH

# The stub finds no command or no server.
gcc
configuration '[ gcc:2102 ]
other'
cp k8psh.conf ../etc/k8psh
K8PSH_CONFIG=$(cd ../etc/k8psh && pwd)/k8psh.conf gcc
configuration '[ gcc:2102 ]
gcc'
gcc
configuration '[ build:2110 ] --connect=${NAME_SERVICE_HOST}
gcc'
gcc
NAME_SERVICE_HOST=build.svc gcc

# A name that no section has; a program that would not find its stubs.
configuration '[ gcc:2102 ]
gcc
vi'
mkdir stubs
k8pshd --name typo --executable-directory stubs
there=$(cd ../stubs && pwd) server=$(command -v k8pshd)
(PATH=/bin:/usr/bin && "$server" --name typo --executable-directory "$there" -- true)
rm -r stubs

# A server that ends beneath its command.
configuration '[ gcc:2102 ] =PATH=
gcc /bin/sh -c '"'"'kill -KILL $(ps -o ppid= -p $$)'"'"
server --name gcc
gcc
kill $!
wait

# Tokens.
timeout=5000
echo one >one
echo two >two
configuration '[ build:2110 ] =PATH= --connect=127.0.0.1
gcc true'
cp k8psh.conf without.conf
configuration "[ build:2110 ] =PATH= --connect=127.0.0.1 --token-file=$PWD/one
gcc true"
cp k8psh.conf with.conf
configuration "[ build:2110 ] =PATH= --connect=127.0.0.1 --token-file=$PWD/two
gcc true"
K8PSH_CONFIG=with.conf server --name build
K8PSH_CONFIG=without.conf gcc
gcc
rm one
K8PSH_CONFIG=with.conf gcc
kill $!
wait
K8PSH_CONFIG=with.conf k8pshd --name build --disable-client-executables
K8PSH_CONFIG=without.conf server --name build
gcc
kill $!
wait

# The command does not start.
timeout=0
configuration '[ gcc:2102 ] PATH=/bin
gcc /bin/no-such-program
vi no-such-program'
server --name gcc --executable-directory ..
(cd ../root && K8PSH_CONFIG=../workspace/k8psh.conf gcc)
(mkdir gone && cd gone && rmdir ../gone && K8PSH_CONFIG="$OLDPWD/k8psh.conf" gcc)
gcc
vi
rmdir src
kill $!
wait

mkdir -p here/src there
sed 's/^\[/baseDirectory = ${BASE}\n[/' k8psh.conf >based.conf
export K8PSH_CONFIG="$PWD/based.conf"
BASE=$PWD/there server --name gcc
(cd here/src && BASE=$PWD/.. gcc)
kill $!
wait
unset K8PSH_CONFIG

# No pseudo-terminal at the server, which is the only program that there is.
mkdir chroot
cp "$(command -v k8psh)" chroot/k8pshd
printf 'baseDirectory = ${BASE}\n[ tools:2102 ] --tty=always --transport=relay --disable-client-executables\nvi /k8pshd --version\n' >chroot/k8psh.conf
(cd chroot && BASE=/ exec chroot . /k8pshd --name tools) &
until BASE=/ k8psh --config chroot/k8psh.conf --probe tools 2>/dev/null; do sleep 0.02; done
BASE=$PWD K8PSH_CONFIG=chroot/k8psh.conf vi
kill $!
wait

# A jobserver that does not fit among the descriptors.
mkfifo fifo
configuration '[ gcc:2102 ] =PATH= MAKEFLAGS=
gcc true'
server --name gcc
MAKEFLAGS=" -j2 --jobserver-auth=fifo:$PWD/fifo" bash -c \
    'ulimit -n 2000; for ((n = 3; n < 1023; n++)); do eval "exec $n</dev/null"; done; gcc'
kill $!
wait

# The command runs too long.
configuration '[ gcc:2102 ] =PATH= --session-timeout=20
gcc sleep 100'
server --name gcc
gcc
kill $!
wait

# The server does not start.
configuration '[ gcc:2102 ]
gcc
[ other:2102 ]
vi
[ third:2103 ] --listen=0.0.0.0
third'
server --name gcc
k8pshd --name other --disable-client-executables
k8pshd --name other --transport=direct --disable-client-executables
k8pshd --name third --disable-client-executables
kill $!
wait
k8pshd --name gcc --disable-client-executables --transport=direct &
until grep -q '@k8psh:2102$' /proc/net/unix; do sleep 0.02; done
k8pshd --name other --disable-client-executables --timeout 1
kill $!
wait
K8PSH_TRANSPORT=both gcc

# A server of another user than the section says.
configuration '[ gcc:2102 ]
gcc'
cp k8psh.conf any.conf
K8PSH_CONFIG=any.conf server --name gcc
configuration '[ gcc:2102 ] --server-uid=4000000000
gcc'
gcc
kill $!
wait
k8pshd --nme gcc
k8pshd --max-sessions 0

# Reload, with a good and with a bad configuration.
configuration '[ gcc:2102 ]
gcc'
k8pshd --name gcc --disable-client-executables -- sh -c 'kill -HUP $PPID
until grep -q reloaded log; do sleep 0.02; done
echo "[ gcc:x ]" >k8psh.conf
kill -HUP $PPID
until grep -q stays log; do sleep 0.02; done' 2>log
cat log

# Checks of the configuration.
configuration '[ gcc:x ]'
k8psh --check
configuration 'port = 1'
k8psh --check
configuration '[ gcc ] =X=${UNSET}'
k8psh --check
