package inrow_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/e2e/inrow"
	"github.com/palisade-mesh/palisade/filters/casetest"
	"github.com/palisade-mesh/palisade/palisade-filter/palisade"
)

// What a filter refuses compares nothing.
func TestConfigurationsAreAccepted(t *testing.T) {
	for seed := range uint64(2000) {
		config, err := json.Marshal(inrow.NewRandom(seed).Sections(casetest.Keys(t)))
		require.NoError(t, err)
		_, err = palisade.Decode(config)
		require.NoError(t, err, "seed %d: %s", seed, config)
	}
}
