# To be read by the lanes that run on containers: a container engine, and the images of the services. The engine is started
# where none answers and one can be (Debian, as root), and stopped when the lane ends; the public images are taken where
# they can be pulled, and images are built from Debian's packages and npm where not.

engine_pid=
# dockerd keeps its state out of the way of one that is installed for real. A pipeline of several lanes sets the directory,
# so that what one of them has pulled or built is there for the next.
engine_state="${ENGINE_STATE:-$(mktemp -d)}"

stop_engine() {
  if [ -n "$engine_pid" ]; then
    kill "$engine_pid" 2>/dev/null
    wait "$engine_pid" 2>/dev/null
    # It leaves this mounted, and so its directory could not be removed.
    umount "$engine_state/exec/netns/default" 2>/dev/null
  fi
  [ -n "${ENGINE_STATE:-}" ] || rm -rf "$engine_state"
}

engine_answers() { docker info >/dev/null 2>&1; }

# Ends the lane: what cannot be tried here has not failed.
no_engine() {
  echo "######################################################################"
  echo "# NO CONTAINER ENGINE: $1"
  echo "# The lane $lane did not run. Nothing was tested on containers."
  echo "######################################################################"
  exit 0
}

install() { DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$@" >/dev/null 2>&1; }
install_packages() { install "$@" || { apt-get update >/dev/null 2>&1 && install "$@"; }; }

start_engine() {
  [ "$(id -u)" -eq 0 ] || no_engine "none answers, and only root may start one"
  if ! command -v dockerd >/dev/null; then
    command -v apt-get >/dev/null || no_engine "none answers, and there is no apt-get to install one with"
    echo "installing Debian's docker.io …"
    install_packages docker.io iptables ca-certificates || no_engine "docker.io could not be installed"
  fi
  # Published ports on loopback only. The log is shown if the engine does not come up.
  dockerd --ip=127.0.0.1 --data-root="$engine_state/data" --exec-root="$engine_state/exec" \
    --pidfile="$engine_state/pid" >"$engine_state/dockerd.log" 2>&1 &
  engine_pid=$!
  for _ in $(seq 60); do
    engine_answers && break
    kill -0 "$engine_pid" 2>/dev/null || break
    sleep 0.5
  done
  engine_answers || { tail -5 "$engine_state/dockerd.log"; no_engine "dockerd could not be started here"; }
  # "localhost" may mean ::1, where nothing is published now.
  export TESTCONTAINERS_HOST_OVERRIDE=127.0.0.1
}

provide_images() {
  # Whoever sets the variables has decided already.
  [ -z "${POSTGRES_IMAGE:-}${REDIS_IMAGE:-}${PUSHER_IMAGE:-}" ] || { echo "images: as the environment says"; return; }
  npx node fixtures/commands/pull-images.ts && { echo "images: public"; return; }
  export POSTGRES_IMAGE=hotpath/postgres REDIS_IMAGE=hotpath/redis PUSHER_IMAGE=hotpath/soketi
  docker image inspect "$POSTGRES_IMAGE" "$REDIS_IMAGE" "$PUSHER_IMAGE" >/dev/null 2>&1 && { echo "images: built before"; return; }
  echo "images: not all can be pulled, building them from Debian's packages and npm …"
  command -v debootstrap >/dev/null || install_packages debootstrap
  .ci/containers/build-images || { echo "the images could not be built"; exit 1; }
}

# An engine with the images. What is on the machine already is used and left as it was.
provide_engine() {
  trap stop_engine EXIT
  trap 'exit 143' TERM
  trap 'exit 130' INT
  engine_answers || start_engine
  echo "container engine: $(docker version --format '{{.Server.Version}}')"
  provide_images
}
