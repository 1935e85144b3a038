#!/usr/bin/env bash
# Builds the images of the Dockerfile without a container engine, and tries them: by buildah, as root.
#
#   apt-get install buildah debootstrap
#   tests/containers.sh FOLDER [BUILDAH ARGUMENT ...]
#
# FOLDER gets 10 GB. Arguments are passed on to `buildah bud`, such as --build-arg TORCH_INDEX=..., or --volume for
# certificates and for pip's configuration. What was built is built again only if it changed.
#
# The base image is not pulled: Debian's packages make a stand-in, with Debian's Python 3.11 instead of the image's.
# Each image is tried as user 1000, without a network.
# shellcheck disable=SC2016  # what containers run expands in them
set -euo pipefail
FOLDER=$(realpath -m "${1:?name a folder for the images}")
ROOT=$(realpath "$(dirname "$0")/..")
shift
mkdir -p "$FOLDER"

engine() { buildah --root "$FOLDER/store" --runroot "$FOLDER/run" "$@"; }

stand_in() {
    local container
    debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$FOLDER/debian" >"$FOLDER/debian.log"
    ln --symbolic python3 "$FOLDER/debian/usr/bin/python"
    container=$(engine from scratch)
    engine add --quiet "$container" "$FOLDER/debian" / >/dev/null
    engine commit --quiet --rm "$container" "docker.io/library/$1" >/dev/null
    rm --recursive --one-file-system "$FOLDER/debian"
}

build() {
    local target=$1
    shift
    engine bud --layers --isolation chroot --pull-never --target "$target" --tag "localhost/frugal-cxr-$target" "$@" "$ROOT" \
        >"$FOLDER/$target.log" 2>&1 || { tail --lines 30 "$FOLDER/$target.log" >&2; exit 1; }
    engine images --noheading "localhost/frugal-cxr-$target"
}

# Runs a script in a new container of a target. Its network has the loopback device alone; what it leaves running ends with it.
try() {
    local container status=0
    container=$(engine from --pull-never "localhost/frugal-cxr-$1")
    unshare --net --pid --fork --kill-child --mount-proc bash -c 'ip link set lo up && exec "$@"' - \
        buildah --root "$FOLDER/store" --runroot "$FOLDER/run" run --isolation chroot "$container" -- bash -euc "$AS_ANYBODY $2" \
        || status=$?
    engine rm "$container" >/dev/null
    return $status
}

AS_ANYBODY='
test "$(id --user)" = 1000
test ! -w /opt/frugal
page() { python -c "import sys; from urllib.request import urlopen; print(urlopen(sys.argv[1], timeout=5).read().decode())" "$1"; }
until_up() { for _ in $(seq 120); do page "$1" 2>/dev/null && return; sleep 2; done; return 1; }
'

base=$(sed -n 's/^FROM \(.*\) AS base$/\1/p' "$ROOT/Dockerfile")
engine inspect "docker.io/library/$base" &>/dev/null || stand_in "$base"

build server "$@"
try server '
mlflow server --workers 1 --host 127.0.0.1 --port 5000 &>server.log &
until_up http://127.0.0.1:5000/version
kill $!'

build trainer "$@"
try trainer '
frugal --version
frugal train nodule_detection --phantoms#count 60 --phantoms#size 128 --image_size 128 --max_epochs 2 --output_dir runs/try
frugal predict runs/try data/phantoms-*/images --any_view True --output_dir runs/scored
wc --lines runs/scored/predictions.csv'

# The service: four phantoms in a folder give reports and captures in another.
try trainer '
frugal phantom --out phantoms --count 4 --seed 1
cat >service.yaml <<END
weights: nodule_detection
spool: spool
receive: [{folder: {path: phantoms/images, every: 1}}]
send: {folder: {path: results}}
results: [sr, sc]
END
frugal serve service.yaml &>runs/service.log &
service=$!
until_up http://127.0.0.1:8080/ready
are_sent() { page http://127.0.0.1:8080/state | grep --quiet "\"sent\": 4"; }
for _ in $(seq 120); do are_sent && break; sleep 2; done
are_sent
find results -name "*.dcm" | wc --lines
kill $service
wait $service'

build sbom "$@"
try sbom 'cat /image.cdx.json' >"$FOLDER/image.cdx.json"

build ray "$@"
try ray 'ray start --head --num-cpus 1 --include-dashboard false --disable-usage-stats && ray status && ray stop'

build orthanc "$@"
try orthanc '
echo "{}" >orthanc.json
Orthanc orthanc.json &>orthanc.log &
until_up http://127.0.0.1:8042/system'
