package plugin_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/palisade-mesh/palisade/filters/casetest"
	"github.com/palisade-mesh/palisade/filters/wasmtest"
	"github.com/palisade-mesh/palisade/jwt-filter/plugin"
)

func TestWasmAllocations(t *testing.T) {
	assert.Zero(t, casetest.WasmAllocations(t, wasmtest.Artifact(t, plugin.Filter.Name), commonFile, commonCase))
}
