#!/usr/bin/env bash
# Builds the images of the Dockerfile without a container engine, and tries them: by buildah, as root.
#
#   apt-get install buildah debootstrap
#   tests/containers.sh FOLDER [BUILDAH ARGUMENT ...]
#
# FOLDER gets 8 GB, and 20 GB for a while. Arguments are passed on to `buildah bud`, such as --build-arg TORCH_INDEX=..., or --volume for
# certificates and for pip's configuration. What was built is built again only if it changed.
#
# The base image is not pulled: Debian's packages make a stand-in, with Debian's Python 3.11 instead of the image's.
# Each image is tried as user 1000, without a network.
# shellcheck disable=SC2016  # what containers run expands in them
set -euo pipefail
FOLDER=$(realpath -m "${1:?name a folder for the images}")
ROOT=$(realpath "$(dirname "$0")/..")
export FOLDER ROOT TMPDIR="$FOLDER/tmp" # layers pass through TMPDIR
shift

fail() { echo "containers.sh: $*" >&2; exit 1; }

[[ $EUID == 0 ]] || fail "run this as root, who alone may unpack and enter images"
for tool in buildah debootstrap unshare ip; do
    command -v "$tool" >/dev/null || fail "$tool is missing: apt-get install buildah debootstrap util-linux iproute2"
done
mkdir -p "$TMPDIR"
free=$(df --output=avail --block-size=1GB "$FOLDER" | tail -n 1)
[[ -e $FOLDER/store || $free -ge 20 ]] || fail "$FOLDER: images take 20 GB, and only $((free)) GB are free there"

engine() { buildah --root "$FOLDER/store" --runroot "$FOLDER/run" "$@"; }
run() { engine run --isolation chroot --volume "$ROOT/docs/pacs:/etc/frugal:ro" "$@"; }
export -f engine run

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
    echo "== $target"
    engine bud --layers --isolation chroot --pull-never --target "$target" --tag "localhost/frugal-cxr-$target" "$@" "$ROOT" \
        >"$FOLDER/$target.log" 2>&1 || { tail --lines 30 "$FOLDER/$target.log" >&2; fail "$target is not built: $FOLDER/$target.log"; }
    engine images --noheading "localhost/frugal-cxr-$target"
}

# Runs a script in a new container of a target, and the command of a second target beside it. They share a network that
# has the loopback device alone; what they leave running ends with the script.
try() {
    local script=${*: -1} status=0 container beside='' command=''
    container=$(engine from --pull-never --add-host orthanc:127.0.0.1 "localhost/frugal-cxr-$1")
    if (($# == 3)); then
        beside=$(engine from --pull-never "localhost/frugal-cxr-$2")
        command=$(engine inspect --format '{{range .OCIv1.Config.Cmd}}{{.}} {{end}}' "$beside")
    fi
    # shellcheck disable=SC2086  # a command is words
    unshare --net --pid --fork --kill-child --mount-proc bash -euc '
        ip link set lo up
        if [[ $2 ]]; then run "$2" -- "${@:4}" & fi
        run "$1" -- bash -euc "$3"' - "$container" "$beside" "$IN_EACH $script" $command || status=$?
    engine rm "$container" ${beside:+"$beside"} >/dev/null
    ((status == 0)) || fail "$1: what it was tried with ended with status $status"
}

IN_EACH='
test "$(id --user)" = 1000
test ! -w /opt/frugal
page() { python -c "import sys; from urllib.request import urlopen; print(urlopen(sys.argv[1], timeout=5).read().decode())" "$1" 2>/dev/null; }
wait_for() { for _ in $(seq 200); do "$@" && return; sleep 2; done; return 1; }
'

base=$(sed -n 's/^FROM \(.*\) AS base$/\1/p' "$ROOT/Dockerfile")
engine inspect "docker.io/library/$base" &>/dev/null || stand_in "$base"

build server "$@"
try server '
mlflow server --workers 1 --host 127.0.0.1 --port 5000 &
wait_for page http://127.0.0.1:5000/version
kill $!'

build trainer "$@"
try trainer '
frugal --version
frugal train nodule_detection --phantoms#count 60 --phantoms#size 128 --image_size 128 --max_epochs 2 --output_dir runs/try
frugal evaluate runs/try
frugal predict runs/try data/phantoms-*/images --any_view True --output_dir runs/scored
wc --lines runs/scored/predictions.csv'

build sbom "$@"
try sbom 'cat /image.cdx.json' >"$FOLDER/image.cdx.json"

# As Kubernetes runs a study: a head that does no work, a worker, a job that is submitted, probes by wget. The study is
# then asked for once more, by Ray's client, as Compose does.
build ray "$@"
try ray '
cat >runs/study.yaml <<END
name: study
bundle: nodule_detection
fixed: {image_size: 64, max_epochs: 1, pictures: false}
data: {phantoms: {count: 40, seed: 0, size: 64, findings: [Nodule]}}
seeds: [0, 1]
END
ray start --head --num-cpus 0 --include-dashboard true
ray start --address 127.0.0.1:6379 --num-cpus 1
ray health-check --address 127.0.0.1:6379
wait_for wget --quiet --output-document - http://127.0.0.1:8265/api/gcs_healthz http://127.0.0.1:52365/api/local_raylet_healthz
ray job submit --address http://127.0.0.1:8265 -- '"$(sed -n 's/^  entrypoint: //p' "$ROOT/docs/cluster/kuberay.yaml")"'
test "$(find runs/studies/study -name model.pt | wc --lines)" = 2
frugal study runs/study.yaml --out runs/studies/study --on ray://127.0.0.1:10001
ray stop'

# As `docker compose --profile serve up` starts them: one phantom reaches the service by C-STORE and four the archive,
# which ends up with at least a report and a capture of each.
build orthanc "$@"
try trainer orthanc '
frugal phantom --out phantoms --count 4 --seed 1
frugal serve /etc/frugal/service.yaml &
wait_for page http://127.0.0.1:8080/ready
wait_for page http://127.0.0.1:8042/system
store() { python -m pynetdicom storescu --recurse -aet ORTHANC -aec "$1" 127.0.0.1 "$2" "$3"; }
store FRUGAL 11112 "$(find phantoms/images -type f | sort | head --lines 1)"
store ORTHANC 4242 phantoms/images
are_stored() { test "$(page http://127.0.0.1:8042/instances | grep --count -- -)" -ge 12; }
wait_for are_stored
page http://127.0.0.1:8042/statistics
page http://127.0.0.1:8080/state
kill $!
wait $!'
engine rmi --prune >/dev/null # layers of earlier builds, which no image needs
echo "All images were built and tried."
