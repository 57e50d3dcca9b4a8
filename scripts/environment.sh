# Sourced by the other scripts: make .venv once, and again only when setup.cfg or pyproject.toml has changed.
# Usage: . "$(dirname "${BASH_SOURCE[0]}")/environment.sh"; environment test lint
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Two processes with two BLAS threads each would compete for two cores.
export OPENBLAS_NUM_THREADS="${OPENBLAS_NUM_THREADS:-1}" OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" MPLBACKEND=Agg

environment() {
    local extras made wanted
    extras=$(IFS=,; echo "$*")
    made="$root/.venv/made-from-$extras"
    wanted=$(cat "$root/setup.cfg" "$root/pyproject.toml" | cksum)
    if [ -x "$root/.venv/bin/python" ] && [ "$(cat "$made" 2>/dev/null)" = "$wanted" ]; then return; fi
    echo "Installing rdae_ref${extras:+ with the extras $extras} into $root/.venv ..."
    [ -x "$root/.venv/bin/python" ] || python3 -m venv "$root/.venv"
    "$root/.venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable "$root${extras:+[$extras]}"
    echo "$wanted" > "$made"
}

# Install Chromium and its driver where they are missing, from the packages of Debian and Ubuntu.
browser() {
    if command -v chromedriver > /dev/null; then return; fi
    local as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo)
    "${as_root[@]+"${as_root[@]}"}" apt-get update -qq
    "${as_root[@]+"${as_root[@]}"}" apt-get install -y -qq --no-install-recommends chromium chromium-driver
}
