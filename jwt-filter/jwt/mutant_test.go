package jwt

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	crand "crypto/rand"
	"crypto/rsa"
	"encoding/asn1"
	"encoding/base64"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/cryptotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// breeder makes mutants of valid tokens: of the text of a token that is signed already, and of a header and claims
// that are signed afterwards. The former is what an attacker has, the latter what a strange issuer might sign.
type breeder struct {
	private map[string]any // by the keys' names
	public  map[string][]byte
	seeds   [HS512 + 1][]string // a few valid tokens of each algorithm
}

func newBreeder(t testing.TB) *breeder {
	t.Helper()
	b := &breeder{private: map[string]any{}, public: map[string][]byte{}}
	for a := RS256; a <= HS512; a++ {
		name := differentialKey(a)
		if b.private[name] == nil {
			b.private[name] = rfcPrivate(t, name)
			keys, err := parseSet(t, rfcJWK(t, name, false))
			require.NoError(t, err)
			b.public[name] = keys[0].spki
		}
		for _, header := range []string{`{"alg":"$"}`, `{"typ":"at+jwt","alg":"$","kid":"` + differentialRSAKeyID + `"}`} {
			b.seeds[a] = append(b.seeds[a], b.sign(t, a, strings.Replace(header, "$", a.String(), 1), seedClaims))
		}
	}
	return b
}

const seedClaims = `{"iss":"https://idp.example","sub":"alice","exp":1800000600,"iat":1799999990,"org":{"dept":"x"},"aud":["a","b"]}`

// sign makes a token of any header and any payload.
func (b *breeder) sign(t testing.TB, a Algorithm, header, payload string) string {
	t.Helper()
	input := b64([]byte(header)) + "." + b64([]byte(payload))
	return input + "." + b64(b.signature(t, a, input))
}

// signature is by the standard library: the libraries that make tokens make no strange ones.
func (b *breeder) signature(t testing.TB, a Algorithm, input string) (signature []byte) {
	t.Helper()
	hash, key := algorithms[a].hash, b.private[differentialKey(a)]
	var err error
	switch algorithms[a].family {
	case familyRS:
		signature, err = rsa.SignPKCS1v15(nil, key.(*rsa.PrivateKey), hash, digest(hash, input))
	case familyPS:
		signature, err = rsa.SignPSS(crand.Reader, key.(*rsa.PrivateKey), hash, digest(hash, input), &rsa.PSSOptions{SaltLength: hash.Size()})
	case familyES:
		var der []byte
		if der, err = key.(*ecdsa.PrivateKey).Sign(nil, digest(hash, input), hash); err == nil { // RFC 6979: the same each time
			var numbers struct{ R, S *big.Int }
			_, err = asn1.Unmarshal(der, &numbers)
			half := algorithms[a].size
			signature = append(numbers.R.FillBytes(make([]byte, half)), numbers.S.FillBytes(make([]byte, half))...)
		}
	case familyEdDSA:
		signature = ed25519.Sign(key.(ed25519.PrivateKey), []byte(input))
	case familyHS:
		signature = hmacOf(hash, key.([]byte), input)
	}
	require.NoError(t, err)
	return signature
}

// salted is a signature with a salt of a length; -1: as long as can be.
func (b *breeder) salted(a Algorithm, input string, length int) []byte {
	key, hash := b.private[differentialKey(a)].(*rsa.PrivateKey), algorithms[a].hash
	if length < 0 {
		length = key.Size() - hash.Size() - 2
	}
	signature, err := rsa.SignPSS(crand.Reader, key, hash, digest(hash, input), &rsa.PSSOptions{SaltLength: length})
	if err != nil {
		panic(err)
	}
	return signature
}

func hmacOf(hash crypto.Hash, secret []byte, input string) []byte {
	mac := hmac.New(hash.New, secret)
	mac.Write([]byte(input))
	return mac.Sum(nil)
}

// mutant is of a seed of an algorithm.
func (b *breeder) mutant(t testing.TB, r *rand.Rand, a Algorithm) string {
	seed := b.seeds[a][r.IntN(len(b.seeds[a]))]
	if r.IntN(3) == 0 {
		return b.resigned(t, r, a)
	}
	for range 1 + r.IntN(2) {
		seed = b.changed(r, a, seed)
	}
	return seed
}

// changed is a signed token with a change to its text.
func (b *breeder) changed(r *rand.Rand, a Algorithm, token string) string {
	parts := strings.Split(token, ".")
	i := r.IntN(len(parts))
	part := parts[i]
	at := 0
	if part != "" {
		at = r.IntN(len(part))
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=., \n\r\t\x00\x80\xff%"
	letter := string(alphabet[r.IntN(len(alphabet))])
	other := b.seeds[1+r.IntN(int(HS512))]
	switch r.IntN(14) {
	case 0: // another letter
		parts[i] = part[:at] + letter + part[min(at+1, len(part)):]
	case 1: // one more
		parts[i] = part[:at] + letter + part[at:]
	case 2: // one less
		parts[i] = part[:at] + part[min(at+1, len(part)):]
	case 3: // cut off
		parts[i] = part[:at]
	case 4: // padded
		parts[i] = part + strings.Repeat("=", 1+r.IntN(3))
	case 5: // the last letter's unused bits
		parts[i] = strayBits(part, r)
	case 6: // the other alphabet
		parts[i] = strings.NewReplacer("-", "+", "_", "/").Replace(part)
	case 7: // a part of another token
		parts[i] = strings.Split(other[r.IntN(len(other))], ".")[min(i, 2)]
	case 8: // a part more, or less
		if r.IntN(2) == 0 {
			return token + "." + part
		}
		return strings.Join(parts[:i], ".") + "." + strings.Join(parts[i:], "")
	case 9:
		parts[i] = ""
	case 10: // a bit of what is encoded
		decoded, _ := base64.RawURLEncoding.DecodeString(part)
		if len(decoded) > 0 {
			decoded[r.IntN(len(decoded))] ^= 1 << r.IntN(8)
			parts[i] = b64(decoded)
		}
	default: // the weak spots of the signature's algorithm
		if len(parts) == 3 {
			decoded, _ := base64.RawURLEncoding.DecodeString(parts[2])
			parts[2] = b64(b.otherSignature(r, a, parts[0]+"."+parts[1], decoded))
		}
	}
	return strings.Join(parts, ".")
}

// strayBits changes the bits of the last letter that encode nothing.
func strayBits(part string, r *rand.Rand) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	unused := map[int]int{2: 4, 3: 2}[len(part)%4]
	if unused == 0 {
		return part + "A" // nothing that can be decoded
	}
	last := strings.IndexByte(letters, part[len(part)-1])
	if last < 0 {
		return part
	}
	return part[:len(part)-1] + string(letters[last^(1+r.IntN(1<<unused-1))])
}

// otherSignature is one that a careless verifier takes.
func (b *breeder) otherSignature(r *rand.Rand, a Algorithm, input string, signature []byte) []byte {
	n := len(signature)
	number := func(v *big.Int, size int) []byte {
		if v.BitLen() > 8*size {
			return v.Bytes()
		}
		return v.FillBytes(make([]byte, size))
	}
	switch r.IntN(5) {
	case 0:
		return make([]byte, n)
	case 1:
		return append([]byte{0}, signature...)
	case 2:
		return append(signature, make([]byte, 1+r.IntN(3))...)
	case 3:
		// HS* of the same input under what everybody knows of the key.
		if known := b.public[differentialKey(a)]; known != nil {
			return hmacOf(crypto.SHA256, known, input)
		}
		return nil
	}
	switch algorithms[a].family {
	case familyPS:
		// A signature by the key, with a salt of another length than the hash's (RFC 7518 section 3.5).
		if r.IntN(2) == 0 {
			return b.salted(a, input, []int{-1, 8, 20, 31, 64, 100}[r.IntN(6)])
		}
		fallthrough
	case familyRS:
		modulus := b.private[differentialKey(a)].(*rsa.PrivateKey).N
		return number(new(big.Int).Add(modulus, new(big.Int).SetBytes(signature)), n)
	case familyES:
		order := curveOf(a).Params().N
		if n != 2*algorithms[a].size {
			return signature
		}
		rr, s := new(big.Int).SetBytes(signature[:n/2]), new(big.Int).SetBytes(signature[n/2:])
		switch r.IntN(5) {
		case 0: // also a signature, by the same key
			s.Sub(order, s.Mod(s, order))
		case 1:
			s.Add(order, s)
		case 2:
			rr.Add(order, rr)
		case 3:
			rr.SetInt64(0)
		case 4:
			return ecdsaDER(signature)
		}
		return append(number(rr, n/2), number(s, n/2)...)
	case familyEdDSA:
		if n != 64 {
			return signature
		}
		// RFC 8032 section 5.1.7: S is below the order of the group, in little-endian.
		order, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
		s := make([]byte, 32)
		for i := range s {
			s[i] = signature[63-i]
		}
		s = number(new(big.Int).Add(order, new(big.Int).SetBytes(s)), 32)
		out := append([]byte(nil), signature[:32]...)
		for i := range s {
			out = append(out, s[len(s)-1-i])
		}
		return out
	}
	return signature[:n/2]
}

// resigned is a header and claims with strange things in them, properly signed.
func (b *breeder) resigned(t testing.TB, r *rand.Rand, a Algorithm) string {
	header, payload := fmt.Sprintf(`{"alg":"%s","typ":"JWT"}`, a), seedClaims
	if r.IntN(2) == 0 {
		header = oddity(r, header, headerOddities)
	}
	if r.IntN(2) == 0 {
		payload = oddity(r, payload, claimOddities)
	}
	if r.IntN(4) == 0 {
		header = strings.Replace(header, a.String(), Algorithm(1+r.IntN(int(HS512))).String(), 1)
	}
	return b.sign(t, a, header, payload)
}

// oddity puts something at the beginning or the end of an object, or changes its text as a whole.
func oddity(r *rand.Rand, doc string, members []string) string {
	inner := doc[1 : len(doc)-1]
	switch r.IntN(12) {
	case 0:
		return " \t\r\n" + doc + " "
	case 1:
		return "\xef\xbb\xbf" + doc
	case 2:
		return doc + doc
	case 3:
		return "[" + doc + "]"
	case 4: // a character anywhere
		at := r.IntN(len(doc))
		return doc[:at] + string(rune(r.IntN(0x100))) + doc[at:]
	case 5: // a byte anywhere
		at := r.IntN(len(doc))
		return doc[:at] + string([]byte{byte(r.IntN(0x100))}) + doc[at+1:]
	}
	member := members[r.IntN(len(members))]
	member = deepened(member, 28+r.IntN(8))
	if r.IntN(2) == 0 {
		return "{" + member + "," + inner + "}"
	}
	if name, _, _ := strings.Cut(member, ":"); strings.Contains(inner, name) && r.IntN(2) == 0 {
		// In the place of the member that is there.
		before, rest, _ := strings.Cut(inner, name)
		if end := strings.Index(rest, ",\""); end >= 0 {
			return "{" + before + member + rest[end:] + "}"
		}
	}
	return "{" + inner + "," + member + "}"
}

// deepened puts nested lists in the place of [#].
func deepened(member string, depth int) string {
	return strings.Replace(member, "[#]", strings.Repeat("[", depth)+strings.Repeat("]", depth), 1)
}

var headerOddities = []string{
	`"alg":"none"`, `"\u0061lg":"none"`, `"ALG":"none"`, `"Alg":"HS256"`, `"alg":null`, `"alg":["ES256"]`, `"alg":1`,
	`"kid":"rsa-1"`, `"kid":"x"`, `"kid":""`, `"kid":7`, `"kid":null`, `"kid":"../../dev/null"`, `"KID":"x"`,
	`"typ":"at+jwt"`, `"typ":"Application/JWT"`, `"typ":"logout+jwt"`, `"typ":""`, `"typ":1`, `"typ":"JOSE"`, `"typ":null`,
	`"crit":["exp"],"exp":1`, `"crit":[]`, `"crit":["b64"],"b64":true`, `"crit":["b64"],"b64":false`, `"crit":null`,
	`"crit":"x"`,
	`"b64":false`, `"b64":true`, `"zip":"DEF"`, `"cty":"JWT"`, `"jku":"https://evil.example/jwks"`, `"jku":1`, `"x5u":"x"`,
	`"jwk":{"kty":"oct","k":"AAAA"}`, `"jwk":{"kty":"EC"}`, `"jwk":null`, `"x5c":["AA=="]`, `"x5c":[]`, `"x5t":"x"`, `"x5t#S256":"x"`,
	`"a":"\ud800"`, `"a":"\ud83d\ude00"`, `"a":"\udc00\ud800"`, `"a":[#]`, `"a":1e400`, `"a":01`, `"a":"` + "\x01" + `"`, `"a":"\u0000"`,
	`"a":{"b":1,"b":2}`, `"a":NaN`, `"a":"\x"`, `"":1,"":2`, `"__proto__":{}`, `"nonce":"x"`, `"url":"x"`,
}

var claimOddities = []string{
	`"iss":"https://evil.example"`, `"\u0069ss":"https://evil.example"`, `"ISS":"https://evil.example"`, `"iss":["https://idp.example"]`,
	`"iss":null`, `"iss":"https:\/\/idp.example"`, `"iss":"https://idp.example\u0000"`, `"iss":"https://idp.example/"`,
	`"exp":1e400`, `"exp":-1`, `"exp":"1800000600"`, `"exp":null`, `"exp":1800000600.5`, `"exp":18000006e2`, `"exp":1799999940`, `"exp":1799999941`,
	`"exp":1799999940.5`, `"exp":9223372036854775808`, `"exp":1e12`, `"exp":1000000000001`, `"exp":1e300`, `"exp":0`, `"exp":-0`, `"exp":[1800000600]`, `"EXP":1`,
	`"nbf":1800000060`, `"nbf":1800000061`, `"nbf":1e308`, `"nbf":"0"`, `"nbf":null`, `"nbf":-5`, `"nbf":9223372036854775807`, `"nbf":0.5`,
	`"iat":1800009999`, `"iat":"x"`, `"iat":null`, `"iat":-1`, `"iat":1e9`, `"iat":1e13`,
	`"sub":1`, `"sub":null`, `"sub":""`, `"sub":"\ud800"`, `"sub":"a\u0000b"`, `"SUB":"root"`, `"aud":1`, `"aud":null`, `"aud":[1]`, `"jti":1`,
	`"cnf":{"x5t#S256":"x"}`, `"cnf":{"jkt":"x"}`, `"cnf":"x"`, `"cnf":null`, `"cnf":{"x5t#S256":null}`,
	`"a":[#]`, `"a":{"b":1,"\u0062":2}`, `"a":[{"b":1,"b":2}]`, `"a":1e999`, `"a":-0`, `"a":1E+2`, `"a":01`, `"a":.5`, `"a":0x1`, `"a":true `, `"a":tru`,
	`"a":"` + "\x7f" + `"`, `"a":"` + "\x1f" + `"`, `"a":"é"`, `"a":"` + "\xc3" + `"`, `"a":"` + "\xed\xa0\x80" + `"`, `"a":"\u00e9\n"`, `"a":'x'`,
}

// Thousands of mutants of each algorithm, the same ones on each run.
func TestMutants(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 8725)
	d, b := newDifferential(t, 100), newBreeder(t)
	mutants := 2000
	if testing.Short() {
		mutants = 200
	}
	for a := RS256; a <= HS512; a++ {
		t.Run(a.String(), func(t *testing.T) {
			for _, seed := range b.seeds[a] {
				require.Equal(t, judgement{filter: true, jose: true, jwx: true, reason: "the token is valid"}, d.judge(t, seed))
			}
			r := rand.New(rand.NewPCG(7519, uint64(a)))
			counts := map[string]int{}
			for range mutants {
				switch j := d.judge(t, b.mutant(t, r, a)); {
				case j.filter:
					counts["accepted"]++
				case j.jose && j.jwx:
					counts["stricter than both"]++
				case j.jose || j.jwx:
					counts["stricter than one"]++
				default:
					counts["refused by all"]++
				}
			}
			// The mutants are worth their time only if they come out in each of these ways.
			for _, way := range []string{"accepted", "stricter than both", "stricter than one", "refused by all"} {
				assert.Greater(t, counts[way], mutants/500, "%s: %v", way, counts)
			}
			t.Log(counts)
		})
	}
}

// A header that names another algorithm of the same key, or a signature made with what everybody knows of it: each
// combination there is. RFC 8725 sections 2.1 and 3.1.
func TestEveryAlgorithmInPlaceOfEachOther(t *testing.T) {
	d, b := newDifferential(t, 100), newBreeder(t)
	for named := RS256; named <= HS512; named++ {
		input := b64([]byte(`{"alg":"`+named.String()+`"}`)) + "." + b64([]byte(seedClaims))
		for used := RS256; used <= HS512; used++ {
			j := d.judge(t, input+"."+b64(b.signature(t, used, input)))
			assert.Equal(t, named == used, j.filter, "%s in place of %s", used, named)
		}
	}
	for name, known := range b.public {
		for a, forms := HS256, knownForms(t, name, known); a <= HS512; a++ {
			for form, secret := range forms {
				input := b64([]byte(`{"alg":"`+a.String()+`"}`)) + "." + b64([]byte(seedClaims))
				signature := hmacOf(algorithms[a].hash, secret, input)
				assert.False(t, d.judge(t, input+"."+b64(signature)).filter, "%s with %s of %s", a, form, name)
			}
		}
	}
}

func mustDecode(s string) []byte {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

func knownForms(t testing.TB, name string, spki []byte) map[string][]byte {
	public := rfcJWK(t, name, false)
	forms := map[string][]byte{"the JWK": []byte(mustJSON(t, public)), "nothing": nil}
	if spki != nil {
		forms["the SPKI"] = spki
		forms["the PEM"] = []byte("-----BEGIN PUBLIC KEY-----\n" + base64.StdEncoding.EncodeToString(spki) + "\n-----END PUBLIC KEY-----\n")
	}
	for _, member := range []string{"n", "x", "y", "e"} {
		if v, ok := public[member].(string); ok {
			forms[member] = mustDecode(v)
		}
	}
	return forms
}
