package plugin_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/palisade-mesh/palisade/filters/casetest"
	"github.com/palisade-mesh/palisade/filters/wasmtest"
	"github.com/palisade-mesh/palisade/ratelimit-filter/plugin"
)

// budget are the calls of the host, each about a microsecond in Envoy, for a request that a limit on a user admits. One
// more is to be seen here first. Two headers are added to the response.
var budget = []string{
	"RequestHeaders",
	"Property",      // the claims
	"SharedData",    // the bucket
	"SetSharedData", // charged
	"SetProperty",   // the record
	"AddMetric",     // decisions
}

const commonFile, commonCase = "../testdata/common.yaml", "a user's request"

func TestHostCalls(t *testing.T) {
	assert.Equal(t, budget, casetest.NativeHostCalls(t, plugin.Filter, commonFile, commonCase))
}

func TestWasmHostCalls(t *testing.T) {
	response := []string{"AddResponseHeader", "AddResponseHeader"}
	assert.Equal(t, append(budget, response...),
		casetest.WasmHostCalls(t, wasmtest.Artifact(t, plugin.Filter.Name), commonFile, commonCase))
}

func TestWasmAllocations(t *testing.T) {
	assert.Zero(t, casetest.WasmAllocations(t, wasmtest.Artifact(t, plugin.Filter.Name), commonFile, commonCase))
}
