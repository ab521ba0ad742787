package jwtauthn

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
)

// fault is something that a token may have, wrong or unusual.
type fault struct {
	name string
	add  func(Random, *token)
}

// faults are what is made up of tokens. Most have variants; the sets of them are small, so that each comes up often.
var faults = []fault{
	// Keys, algorithms and signatures.
	{"kid", func(r Random, t *token) {
		t.head("kid", r.of(`"unknown"`, `"es-256"`, `"rs"`, `""`, `5`, `null`, `["rs"]`, ""))
	}},
	{"key", func(r Random, t *token) {
		t.key = keys()[r.IntN(len(keys()))].id
		if r.chance(2) {
			t.head("kid", "")
			if t.key != "" {
				t.head("kid", quote(t.key))
			}
		}
	}},
	{"restricted key", func(r Random, t *token) {
		key := r.of("rs-384 RS384", "rs-384 PS384", "rs-384 RS256", "hs-256 HS256", "hs-256 HS384", "enc ES256", "ops ES256", " ES256", " ES384")
		t.key, t.algorithm, _ = strings.Cut(key, " ")
		t.head("alg", quote(t.algorithm))
		t.head("kid", r.of(quote(t.key), ""))
		t.salt = hashOf(t.algorithm).Size()
	}},
	{"alg", func(r Random, t *token) {
		t.head("alg", r.of(`"none"`, `"None"`, `""`, `"rs256"`, `"ES256K"`, `5`, `null`, `["RS256"]`, ""))
	}},
	{"alg confusion", func(r Random, t *token) {
		algorithm := r.of(Algorithms...)
		t.head("alg", quote(algorithm))
		if keyOf(t.key).family != "RS" && r.chance(2) {
			t.algorithm = algorithm // whose hash jwt_authn then takes
		}
	}},
	{"hmac", func(r Random, t *token) {
		t.algorithm = r.of("HS256", "HS384", "HS512")
		t.head("alg", quote(t.algorithm))
		t.key = "hs"
		t.head("kid", `"hs"`)
	}},
	{"salt", func(r Random, t *token) {
		t.algorithm = r.of("PS256", "PS384", "PS512")
		t.key, t.salt = "rs", []int{0, 1, 20, 100}[r.IntN(4)]
		t.head("alg", quote(t.algorithm))
		t.head("kid", `"rs"`)
	}},
	{"signature", func(r Random, t *token) {
		change := r.IntN(10)
		t.resign = func(s []byte) []byte {
			half := len(s) / 2
			switch change {
			case 0:
				s[half] ^= 1
			case 1:
				return s[:len(s)-1]
			case 2:
				return append(s, 0)
			case 3:
				return append([]byte{0}, s...)
			case 4:
				return nil
			case 5:
				return make([]byte, len(s))
			case 6, 7: // the same numbers, if it is ECDSA's
				return bytes.Join([][]byte{nil, s[:half], s[half:]}, []byte{0})
			case 8:
				return bytes.Join([][]byte{nil, s[:half], s[half:]}, make([]byte, 20))
			case 9: // another encoding of zeros
				return []byte{0, 0}
			}
			return s
		}
	}},

	// Claims and header.
	{"exp", func(r Random, t *token) { t.claim("exp", r.date(t)) }},
	{"nbf", func(r Random, t *token) { t.claim("nbf", r.date(t)) }},
	{"iat", func(r Random, t *token) { t.claim("iat", r.date(t)) }},
	{"lifetime", func(r Random, t *token) {
		t.claim("exp", t.date([]int64{300, 3000, 3570, 3660, 4000, 1e6, 1e9}[r.IntN(7)]))
		t.claim("iat", r.of(t.date(-7200), t.date(-60), t.date(0), t.date(7200), t.date(1e6), ""))
	}},
	{"iss", func(r Random, t *token) {
		t.claim("iss", r.of(`"https://idp.example"`, `"https://partner.example"`, `"https://idp.example/"`, `"https://IDP.example"`, `""`, `5`, `null`,
			`["https://idp.example"]`, `{"iss":"https://idp.example"}`, `"https:\/\/idp.example"`, `"\u0068ttps://idp.example"`, `" https://idp.example"`,
			`"https://idp.example\u0000"`, ""))
	}},
	{"aud", func(r Random, t *token) {
		t.claim("aud", r.of(`["database"]`, `["x","database"]`, `["x"]`, `"frontend"`, `["database",5]`, `["database",null]`, `[["database"]]`, `[]`, `5`, `null`, `true`,
			`{"a":"database"}`, `""`, `[""]`, `"Database"`, `"database/"`, `"http://database"`, `["https://database/"]`, `"records.example"`,
			`"https://records.example"`, `"http://records.example/"`, `"https://records.example/"`, `"data\u0062ase"`, `"database "`, `" database"`, ""))
	}},
	{"sub", func(r Random, t *token) {
		t.claim("sub", r.of(`"svc-bob"`, `"alice"`, `"svc-"`, `""`, `5`, `null`, `["svc-a"]`, `"SVC-a"`, `"\u0073vc-a"`, `"svc-é"`, `"svc-\u00e9"`, `"svc-\ud83d\ude00"`,
			`"svc-a\u0001"`, `"svc-a\u007f"`, `" svc-a "`, `"svc-a "`, `"svc-a,b"`, `"svc-a\tb"`, ""))
	}},
	{"jti", func(r Random, t *token) { t.claim("jti", r.of(`"1"`, `""`, `1`, `null`, `["1"]`, `{}`)) }},
	{"typ", func(r Random, t *token) {
		t.head("typ", r.of(`"JWT"`, `"jwt"`, `"at+jwt"`, `"application/at+jwt"`, `""`, `"JOSE"`, `"logout+jwt"`, `"dpop+jwt"`, `5`, `null`))
	}},
	{"cty", func(r Random, t *token) { t.head("cty", r.of(`"JWT"`, `5`)) }},
	{"crit", func(r Random, t *token) { t.head("crit", r.of(`["exp"]`, `["b64"]`, `[]`, `"exp"`, `null`)) }},
	{"b64", func(r Random, t *token) { t.head("b64", r.of("true", "false")) }},
	{"own key", func(r Random, t *token) {
		// The token brings the key that it is signed with.
		t.key, t.algorithm = stranger, "ES256"
		t.head("alg", `"ES256"`)
		t.head("jwk", text(keyOf(stranger).public()))
		t.head("kid", r.of(quote(stranger), ""))
	}},
	{"cnf", func(r Random, t *token) {
		t.claim("cnf", r.of(`{"x5t#S256":"bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}`, `{"x5t#S256":5}`, `{"jkt":"x"}`, `"x"`, `{}`, `null`))
	}},
	{"level", func(r Random, t *token) {
		t.claim("level", r.of(`5`, `-5`, `0`, `1.5`, `1.0`, `1e3`, `1E+3`, `0.1`, `1e-7`, `9007199254740993`, `18446744073709551616`, `1e400`, `-0`, `123456789.123456789`,
			`true`, `false`, `null`, `"x"`, `""`, `" x"`, `"a\nb"`, `"a\r\nx-injected: 1"`, `"a\u0000b"`, `"é"`, `"\""`, `[]`, `[1,2]`, `["a", "b"]`, `{}`, `{"a": 1}`))
	}},
	{"org", func(r Random, t *token) {
		t.claim("org", r.of(`{"dept":5}`, `{"dept":{"x":1}}`, `{"dept":null}`, `{"dept":""}`, `"sales"`, `[{"dept":"sales"}]`, `{}`, `null`, `{"DEPT":"sales"}`,
			`{"dept\u0000":"sales"}`, `{"de\u0070t":"sales"}`))
		if r.chance(3) {
			t.claim("org.dept", `"dotted"`)
		}
	}},
	{"role", func(r Random, t *token) { t.claim("https://corp.example/role", r.of(`"admin"`, `5`, `""`)) }},
	{"nested", func(_ Random, t *token) { t.write[1] = func(s string) string { return `{"payload":` + s + `}` } }},

	// JSON.
	{"duplicate", func(r Random, t *token) {
		part, name, value := r.IntN(2), r.of("iss", "sub", "exp", "aud", "x"), r.of(`"database"`, `"svc-eve"`, `"https://idp.example"`, `9999999999`)
		if part == 0 {
			name, value = r.of("alg", "kid", "typ", "x"), r.of(`"none"`, `"ES256"`, `"rs"`, `"es-256"`, `"JWT"`)
		}
		if r.chance(3) {
			name = `\u00` + fmt.Sprintf("%x", name[0]) + name[1:]
		}
		at := r.IntN(2)
		t.write[part] = func(s string) string {
			if at == 0 {
				return `{"` + name + `":` + value + `,` + s[1:]
			}
			return s[:len(s)-1] + `,"` + name + `":` + value + `}`
		}
	}},
	{"duplicate inside", func(r Random, t *token) {
		t.claim("x", r.of(`{"a":1,"a":2}`, `[{"a":1,"a":1}]`, `{"a":{"b":1,"b":2}}`))
	}},
	{"depth", func(r Random, t *token) {
		depth := []int{20, 30, 31, 32, 33, 60, 97, 98, 99, 100, 101, 200}[r.IntN(12)]
		open, closing := "[", "]"
		if r.chance(2) {
			open, closing = `{"a":`, "}"
		}
		t.claim("deep", strings.Repeat(open, depth)+"1"+strings.Repeat(closing, depth))
	}},
	{"value", func(r Random, t *token) {
		// A member that nobody reads.
		value := r.of("01", "+1", ".5", "1.", "0x1", "NaN", "Infinity", "-Infinity", "-", "1e", "1e400", "-1e400", "1e308", "1e-400", "'a'", "a", "True", "nil", "undefined",
			`"\x41"`, `"\u12"`, `"\U0041"`, `"\/"`, `"\'"`, "\"a\tb\"", "\"a\nb\"", "\"\x01\"", "\"\x7f\"", "\"\x00\"", `"\u0000"`, `"\ud800"`, `"\udc00"`, `"\udc00\ud800"`,
			"\"\xff\"", "\"\xc0\xaf\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"\ufeff\"", `"\uffff"`, "\"\u2028\"", "[1,]", "[,1]", "{,}", `{"a":1,}`, `{a:1}`, `{'a':1}`,
			`{1:1}`, `{null:1}`, `{"a" 1}`, "[1 2]", "/**/1", "1//", "1#", "(1)", `""`, `{"":1}`, `{"@type":"x"}`, `"`+strings.Repeat("x", 3000)+`"`)
		if r.chance(3) {
			t.head("x", value)
		} else {
			t.claim("x", value)
		}
	}},
	{"document", func(r Random, t *token) {
		around := r.of(" %s", "%s ", "\t\r\n%s\n", "\ufeff%s", "%s\ufeff", "%s\x00", "\x00%s", "%s{}", "%s,", "%s}", "[%s]", "%s//", "/**/%s", "\f%s", "\v%s", "%s\u00a0", "\"%s\"", "(%s)", ")]}'\n%s",
			"", "null", "5", "{}", "[]", `"x"`, "\x1e%s")
		t.write[r.IntN(2)] = func(s string) string { return strings.ReplaceAll(around, "%s", s) }
	}},
	{"spelling", func(r Random, t *token) {
		// The same document in other words.
		name, part := r.of("alg", "kid", "iss", "exp", "aud"), 1
		if name == "alg" || name == "kid" {
			part = 0
		}
		spelled := r.of(`\u00`+fmt.Sprintf("%x", name[0])+name[1:], strings.ToUpper(name), name+" ", name+`\u0000`, strings.ToUpper(name[:1])+name[1:])
		t.write[part] = func(s string) string { return strings.Replace(s, `"`+name+`"`, `"`+spelled+`"`, 1) }
	}},

	// Encoding.
	{"padding", func(r Random, t *token) {
		padding := r.of("=", "==", "===", "right", "right", "right", "=A", "A=", "A", "AA", "AAAA")
		t.wrap[r.IntN(3)] = func(s string) string {
			if padding == "right" {
				return s + strings.Repeat("=", (4-len(s)%4)%4)
			}
			return s + padding
		}
	}},
	{"stray bits", func(r Random, t *token) {
		stray := 1 + r.IntN(15)
		t.wrap[r.IntN(3)] = func(s string) string {
			alphabet := "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
			bits := []int{0, 0, 4, 2}[len(s)%4]
			if bits == 0 || s == "" {
				return s
			}
			last := strings.IndexByte(alphabet, s[len(s)-1])
			return s[:len(s)-1] + alphabet[last|stray&(1<<bits-1):][:1]
		}
	}},
	{"standard alphabet", func(r Random, t *token) {
		t.claim("x", `"`+r.of("???", "~~~", ">>>???~~~")+`"`)
		t.wrap[r.IntN(3)] = func(s string) string { return strings.NewReplacer("-", "+", "_", "/").Replace(s) }
	}},
	{"space", func(r Random, t *token) {
		space := r.of(" ", "  ", "\t", " \t ")
		at := r.IntN(100)
		t.wrap[r.IntN(3)] = func(s string) string {
			at := len(s) * at / 100
			return s[:at] + space + s[at:]
		}
	}},
	{"dots", func(r Random, t *token) {
		form := r.of(".%0.%1.%2", "%0.%1.%2.", "%0..%1.%2", "%0.%1..%2", "..%0..%1...%2....", "%0.%1", "%0.%1.", "%0..%2", ".%1.%2", "%0.%1.%2.%2", "%0.%1.%2.%0.%1", "%0%1%2", ".", "..", "...", "",
			"%0.%1.%2.A", "%0,%1,%2", "%0.%1,%2", "%0 . %1 . %2", "%0.%1.%2.=")
		t.finish = func(s string) string {
			p := strings.Split(s, ".")
			return strings.NewReplacer("%0", p[0], "%1", p[1], "%2", p[2]).Replace(form)
		}
	}},
	{"encoded twice", func(r Random, t *token) {
		t.finish = func(s string) string { return base64.URLEncoding.EncodeToString([]byte(s)) }
		if r.chance(2) {
			t.wrap[1] = func(s string) string { return encode([]byte(s)) }
			t.finish = nil
		}
	}},
	{"bytes", func(r Random, t *token) {
		const alphabet = "ABCDEFabcdef0189-_.=+/ ,;\"'%~!"
		seed := r.Uint64()
		t.finish = func(s string) string {
			r, b := NewRandom(seed), []byte(s)
			for range 1 + r.IntN(2) {
				at, other := r.IntN(len(b)), alphabet[r.IntN(len(alphabet))]
				switch r.IntN(4) {
				case 0:
					b[at] = other
				case 1:
					b = append(b[:at:at], append([]byte{other}, b[at:]...)...)
				case 2:
					b = append(b[:at:at], b[at+1:]...)
				case 3:
					b[at] ^= 0x20 // another case
					if b[at] < ' ' || b[at] == 0x7f {
						b[at] ^= 0x20
					}
				}
			}
			return string(b)
		}
	}},
}

// date is a value for exp, nbf or iat.
func (r Random) date(t *token) string {
	return r.of(t.date(-1e6), t.date(-70), t.date(-60), t.date(-50), t.date(-9), t.date(-2), t.date(0), t.date(2), t.date(9), t.date(50), t.date(70), t.date(600), t.date(1e6),
		t.date(-50)+".5", t.date(600)+".25", t.date(600)+"e0", t.date(600)+".0", quote(t.date(600)), "0", "-0", "0.5", "-0.5", "-1", "1", "1e9", "1e10", "1e11", "1e12", "1e13", "1e18", "1e19",
		"18446744073709551615", "18446744073709551616", "1e30", "1e400", "-1e10", "null", "true", "[]", "{}", `""`, `"x"`, `"2033-05-18T03:33:20Z"`, "")
}
