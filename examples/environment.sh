# Sourced: `use_environment FOLDER REQUIREMENT...` makes a virtual environment with the newest Python
# there is, installs into it, and sets `python` to its interpreter. POSIX sh; works where the
# system's Python is externally managed, for nothing is installed into that.

# The newest Python on PATH that runs the given code; the code is run, not only looked for, because
# pyenv puts commands on PATH that do nothing but say which version is not chosen.
find_python_that_runs() {
    for version in 3.14 3.13 3.12 3.11 3.10 3; do
        if "python$version" -c "import sys; assert sys.version_info >= (3, 10); $1" 2>/dev/null; then
            echo "python$version"
            return 0
        fi
    done
    return 1
}

# Debian takes ensurepip out of its Python: another one may have it.
find_python() {
    find_python_that_runs 'import venv, ensurepip' || find_python_that_runs ''
}

use_environment() {
    folder=$1
    shift
    if ! "$folder/bin/python" -m pip --version >/dev/null 2>&1; then
        system_python=$(find_python) || {
            echo "tfartifacts needs Python 3.10 or newer, and there is none on PATH." >&2
            echo "On Debian or Ubuntu: apt-get install python3 python3-venv" >&2
            return 1
        }
        if "$system_python" -c 'import venv, ensurepip' 2>/dev/null; then
            # --clear: a run that was interrupted leaves half an environment.
            "$system_python" -m venv --clear "$folder" || return 1
        elif "$system_python" -m pip --python "$system_python" --version >/dev/null 2>&1; then
            # Without ensurepip, a pip of the system's can put itself into the environment.
            "$system_python" -m venv --clear --without-pip "$folder" || return 1
            "$system_python" -m pip --python "$folder/bin/python" install --quiet pip || return 1
        else
            version=$("$system_python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
            echo "$system_python cannot make virtual environments: it has no ensurepip." >&2
            echo "On Debian or Ubuntu: apt-get install python$version-venv" >&2
            return 1
        fi
    fi
    python=$folder/bin/python
    "$python" -m pip install --quiet --disable-pip-version-check "$@"
}
