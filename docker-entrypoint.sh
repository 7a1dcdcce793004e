#!/bin/sh
# The image's `ferryman`, for its own process, the health check and `docker compose exec` alike: it gives root's
# rights up first. Only the host knows which group may use the engine's socket, so the socket is asked.
set -eu

program=/opt/ferryman/bin/ferryman
engine=${DOCKER_HOST:-unix:///var/run/docker.sock}
group=ferryman
if [ -z "${FERRYMAN_DATABASE_URL-}${FERRYMAN_DATABASE_URL_FILE-}" ]; then
    export FERRYMAN_DATABASE_URL=sqlite+aiosqlite:////data/ferryman.db
fi

if [ "$(id -u)" -ne 0 ]; then
    exec "$program" "$@"
fi
if [ -S "${engine#unix://}" ]; then
    case $(stat --dereference --format %A "${engine#unix://}") in
        ?????w????) group=$(stat --dereference --format %g "${engine#unix://}") ;;
        *) exec "$program" "$@" ;;  # a socket for root alone
    esac
fi
exec setpriv --reuid=ferryman --regid=ferryman --groups="$group" --no-new-privs -- "$program" "$@"
