package jwt

import (
	"encoding/binary"
	"encoding/json"
	"math/rand/v2"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/lestrrat-go/jwx/v3/jws"
	"github.com/stretchr/testify/require"
)

// What is read of a token is what every other reader reads, and what others read and this does not has a known fault.
func FuzzParse(f *testing.F) {
	b := newBreeder(f)
	for a := RS256; a <= HS512; a++ {
		f.Add(b.seeds[a][0])
	}
	for _, e := range append(rfc(f).Signed, rfc(f).Refused...) {
		f.Add(e.Token)
	}
	for _, depth := range []int{31, 32} { // with the object around them, the last that is accepted and the first that is not
		for _, header := range headerOddities {
			f.Add(compact(`{"alg":"ES256",`+deepened(header, depth)+`}`, `{"sub":"a"}`, "s"))
		}
		for _, claim := range claimOddities {
			f.Add(compact(`{"alg":"ES256"}`, `{`+deepened(claim, depth)+`}`, "s"))
		}
	}
	f.Add("..")
	f.Add(compact(`{"alg":"ES256","crit":[]}`, `[`, ""))
	f.Fuzz(func(t *testing.T, raw string) {
		token, err := ParseToken(raw)
		_, joseErr := jose.ParseSignedCompact(raw, joseAlgorithms())
		_, jwxErr := jws.Parse([]byte(raw), jws.WithCompact())
		if err != nil {
			require.Nil(t, token)
			if joseErr == nil && jwxErr == nil {
				require.Contains(t, faults(raw), err.Error(), "the filter alone does not read %q", raw)
			}
			return
		}
		// There is one way only to write what was read.
		require.Equal(t, raw, token.signed+"."+b64(token.signature))
		require.True(t, joseErr == nil || jwxErr == nil || keyMembers(raw), "the filter alone reads %q\ngo-jose: %v\njwx: %v", raw, joseErr, jwxErr)
		parts := splitToken(t, raw)
		header, ok := unambiguous(parts[0])
		require.True(t, ok, "the header of %q", raw)
		require.Equal(t, header["alg"], token.algorithm.String())
		kid, _ := header["kid"].(string)
		require.Equal(t, kid, token.keyID)
		require.Equal(t, string(parts[1]), token.payload)
		claims, ok := unambiguous(parts[1])
		require.True(t, ok, "the payload of %q", raw)
		members := map[string]json.RawMessage{}
		require.NoError(t, json.Unmarshal([]byte(token.claims.Raw), &members))
		require.Len(t, members, len(claims))
	})
}

// The filter never accepts a token that go-jose and jwx both refuse, and refuses none that both accept without one of
// the reasons that faults knows.
//
// The fuzzer does not write tokens, whose signatures it would never get right, but genes: what a breeder does to a valid
// one, and there are not many of them, so that minimizing does not take longer than finding.
func FuzzVerify(f *testing.F) {
	d, b := newDifferential(f, 0), newBreeder(f)
	for a := range int(HS512) {
		for i := range 10 {
			f.Add(binary.BigEndian.AppendUint64([]byte{byte(a)}, uint64(i)*0x9e3779b97f4a7c15))
		}
	}
	f.Fuzz(func(t *testing.T, genes []byte) {
		if len(genes) > 64 {
			return
		}
		a := RS256
		if len(genes) > 0 {
			a += Algorithm(genes[0]) % HS512
			genes = genes[1:]
		}
		d.judge(t, b.mutant(t, rand.New(&genome{genes: genes, tail: *rand.NewPCG(1, 2)}), a))
	})
}

// genome is a source of numbers that two bytes each decide, as long as there are some.
type genome struct {
	genes []byte
	tail  rand.PCG
}

func (g *genome) Uint64() uint64 {
	if len(g.genes) < 2 {
		return g.tail.Uint64()
	}
	gene := uint64(binary.BigEndian.Uint16(g.genes))
	g.genes = g.genes[2:]
	return gene * 0x0001_0001_0001_0001 // rand takes numbers from either end
}

func FuzzConfig(f *testing.F) {
	keys := mustJSON(f, allKeys(f))
	for _, s := range []string{
		`{}`, ``, `[]`, `{"providers": {"a": {"issuer": "i", "jwks": ` + keys + `}}, "rules": [{"match": {"paths": ["/a/{*}"]}, "require": {"any": [{"provider": "a"}]}}]}`,
		`{"providers": {"a": {"jwks": {"keys": [{"kty": "RSA", "n": "", "e": ""}]}, "clockSkew": "1h", "types": ["x"], "fromHeaders": [{"name": ""}]}}}`,
		`{"rules": [{"require": {"provider": "b"}}], "cache": {"entries": 0}}`, "\x0a\x00",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := Decode(raw)
		if err != nil {
			require.Nil(t, c)
			require.NotEmpty(t, err.Error())
			return
		}
		res := decide(t, New(c, InWasm{}), bearing(sign(t, jose.ES256, claimsFor(nil))), now)
		require.NotZero(t, res.Status)
	})
}
