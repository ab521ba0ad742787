package jwt

import (
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/budget"
	"github.com/palisade-mesh/palisade/filters/decision"
	"github.com/palisade-mesh/palisade/filters/request"
)

func BenchmarkDecide(b *testing.B) { budget.Time(b, decides) }

// The budgets are in docs/budgets.yaml.
func TestBudgets(t *testing.T) { budget.Check(t, map[string]budget.Benchmark{"Decide": decides}) }

// trusting takes every signature for right: what it costs to check one is measured elsewhere.
type trusting struct{}

func (trusting) Verify(Algorithm, *Key, string, []byte) error { return nil }

// decides decides about requests with a token, with two claims that become headers.
func decides(b *budget.Runner) {
	provider := object{"audiences": []string{"database"}, "outputClaimToHeaders": []object{{"header": "x-user", "claim": "sub"}, {"header": "x-dept", "claim": "org.dept"}}}
	claims := object{"aud": "database", "scope": "read write", "org": object{"dept": "sales"}}
	token := sign(b, jose.RS256, claimsFor(claims))
	claims["exp"] = now.Unix() - 3600
	expired := sign(b, jose.RS256, claimsFor(claims))
	for _, c := range []struct {
		name    string
		entries int
		tokens  []string
		want    decision.Effect
	}{
		{"cached", 1000, []string{token}, decision.Allow},
		{"not cached", 0, []string{token}, decision.Allow},
		{"expired", 1000, []string{expired}, decision.Deny},
		{"no token", 1000, nil, decision.Deny},
	} {
		v := verifier(b, provider, object{"cache": object{"entries": c.entries}})
		v.signatures.Signatures = trusting{}
		v.RememberTokens([16]byte{1})
		r, err := request.Load(bearing(c.tokens...))
		require.NoError(b, err)
		require.Equal(b, c.want, v.Decide(r, now).Effect, c.name)
		b.Op(c.name, func() { v.Decide(r, now) })
	}
}
