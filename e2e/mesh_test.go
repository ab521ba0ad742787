package e2e

import (
	"context"
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
			`palisade_decisions{effect="allow",filter="authz",mode="enforce",policy="database-read"} 2`,
			`palisade_decisions{effect="deny",filter="authz",mode="enforce",policy="none"} 5`,
		} {
			assert.Contains(t, metrics, want)
		}
	})
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
