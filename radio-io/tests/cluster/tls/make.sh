#!/usr/bin/env bash
# The certificates of the tests beside it, good for a hundred years: an authority, a worker's that is signed by it, and another authority.
# The keys protect nothing: they are as public as this file.
set -euo pipefail
cd "$(dirname "$0")"
key() { openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$1"; }
for name in authority other; do
    key "$name.key"
    openssl req -x509 -key "$name.key" -subj "/CN=radio test $name" -days 36500 -out "$name.pem"
    [[ $name == authority ]] || rm "$name.key"
done
key worker.key
openssl req -new -key worker.key -subj "/CN=radio test worker" |
    openssl x509 -req -CA authority.pem -CAkey authority.key -days 36500 -out worker.pem \
        -extfile <(printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n')
rm -f authority.key authority.srl
