package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/e2e/mesh"
)

// TestMesh takes the walk of the demo.
func TestMesh(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	m, err := mesh.Start(ctx)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, m.Stop()) })

	for _, step := range mesh.Walk() {
		t.Run(step.Name, func(t *testing.T) {
			result, err := m.Take(ctx, step)
			require.NoError(t, err)
			assert.Empty(t, result.Problems)
			assert.Equal(t, step.Want, result.Got)
			assert.NotEmpty(t, result.Reason)
		})
	}

	t.Run("metrics", func(t *testing.T) {
		metrics, err := m.Envoy(mesh.Database).Prometheus(ctx)
		require.NoError(t, err)
		for _, want := range []string{
			`palisade_decisions{filter="authz",effect="allow",policy="database-read",mode="enforce"} 8`,
			`palisade_decisions{filter="authz",effect="deny",policy="database-read",mode="enforce"} 5`,
			`palisade_decisions{filter="jwt",effect="deny",policy="none",mode="enforce"} 5`,
			`palisade_jwt_cache{result="miss"}`,
			`palisade_jwks_fetch{result="ok",provider="corp"} 2`, // at the start, and for the new keys
		} {
			assert.True(t, strings.Contains(metrics, want), "no %s in\n%s", want, ours(metrics))
		}
	})
}

// ours are the lines of the metrics that the filters made.
func ours(metrics string) string {
	var lines strings.Builder
	for line := range strings.Lines(metrics) {
		if strings.Contains(line, "palisade") {
			lines.WriteString(line)
		}
	}
	return lines.String()
}

// TestMeshEnds makes sure that nothing listens any more where the mesh was.
func TestMeshEnds(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	m, err := mesh.Start(ctx)
	require.NoError(t, err)
	require.NoError(t, m.Stop())
	assert.NoDirExists(t, m.Dir)
	_, err = m.Take(ctx, mesh.Walk()[0])
	assert.ErrorContains(t, err, "connection refused")
}
