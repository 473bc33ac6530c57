#!/bin/sh
# Makes a certificate, and becomes the server that a test suite of the Matrix protocol expects. It
# runs at each start of a container: the first one finds `/data` empty, later ones, and those of
# images made from a container, find the database that was left there.
#
# SERVER_NAME     the server's name, from the suite
# HELIOGRAPH_BIN  the server
# /complement/ca  the authority that is to sign the certificate, from the suite
set -eu

data=/data
tls=$data/tls
authority=/complement/ca

mkdir -p "$tls"
if [ ! -e "$tls/request.pem" ]; then
    # Not RSA: such a key takes a good part of a second to make.
    openssl ecparam -name prime256v1 -genkey -noout -out "$tls/key.pem"
    openssl req -new -key "$tls/key.pem" -subj "/CN=$SERVER_NAME" -out "$tls/request.pem"
    printf 'subjectAltName=DNS:%s\n' "$SERVER_NAME" >"$tls/extensions"
fi
# Signed anew at each start, as each run of a suite comes with an authority of its own.
openssl x509 -req -in "$tls/request.pem" -CA "$authority/ca.crt" -CAkey "$authority/ca.key" \
    -set_serial "$(date +%s)" -days 7 -extfile "$tls/extensions" -out "$tls/certificate.pem" 2>/dev/null

cat >"$data/heliograph.toml" <<TOML
[server]
name = "$SERVER_NAME"
public_base_url = "http://$SERVER_NAME:8008"
listeners = [{ address = "0.0.0.0:8008" }, { address = "0.0.0.0:8448", tls = true }]
drain_deadline = "1 s"

[tls]
certificate = "$tls/certificate.pem"
key = "$tls/key.pem"

[storage]
path = "$data/store"
# A container may be killed, but its machine does not lose power: nothing is gained by a sync.
durability = "os"

[registration]
enabled = true
open_to_everyone = true
shared_secret = "complement"

[rate_limits]
enabled = false

[limits]
# Accounts are made by the hundred, and nobody will try to guess their passwords.
password_memory = "8 KiB"

[rooms]
# What the suite counts on where it does not name a version.
default_room_version = "11"

[push]
# Tests of threads count mentions by names in texts.
names_in_texts = true
TOML

# exec: signals are for the server, not for a shell.
exec "$HELIOGRAPH_BIN" serve --config "$data/heliograph.toml"
