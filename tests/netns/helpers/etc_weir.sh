# SPDX-License-Identifier: Apache-2.0
# The files that docs/examples name below /etc/weir, made in a folder of the test.
etc_weir() { # DIR
	local d=$1
	mkdir -p "$d"
	(
		cd "$d" || exit 1
		ca() { # NAME: authority and an empty revocation list of it
			openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=$1" \
				-keyout "$1.ca.key" -out "$1.ca"
			printf '01\n' >"$1.number"
			: >"$1.index"
			printf '[ca]\ndefault_ca = c\n[c]\ndatabase = %s.index\ncrlnumber = %s.number\ndefault_md = sha256\ndefault_crl_days = 30\n' \
				"$1" "$1" >"$1.cnf"
			openssl ca -config "$1.cnf" -gencrl -keyfile "$1.ca.key" -cert "$1.ca" -out "$1.crl"
		}
		pair() { # NAME KEY-OPTIONS...
			local name=$1
			shift
			openssl req -x509 "$@" -nodes -days 30 -subj /CN=example.com \
				-addext subjectAltName=DNS:example.com,DNS:shop.example.com -keyout "$name.key" -out "$name.crt"
		}
		ca clients
		ca backends
		pair example.com.ecdsa -newkey ec -pkeyopt ec_paramgen_curve:P-256
		pair example.com.rsa -newkey rsa:2048
		pair weir -newkey ec -pkeyopt ec_paramgen_curve:P-256
		head -c 80 /dev/urandom >ticket.keys
		printf 'a-secret-of-more-than-thirty-two-bytes' >jwt.secret
		printf '0123456789abcdef0123456789abcdef\n' >token
		chmod 600 ticket.keys token jwt.secret
		# The key of RFC 7517 appendix A.1.
		printf '{"keys": [{"kty": "EC", "crv": "P-256", "kid": "1", "alg": "ES256", "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}' >jwks.json
		printf 'alice:%s\n' "$(openssl passwd -6 -salt example secret)" | tee users >admins
	) >"$d.log" 2>&1
}
