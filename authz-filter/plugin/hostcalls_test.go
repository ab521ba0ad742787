package plugin_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/palisade-mesh/palisade/authz-filter/plugin"
	"github.com/palisade-mesh/palisade/filters/casetest"
	"github.com/palisade-mesh/palisade/filters/wasmtest"
)

// budget are the calls of the host, each about a microsecond in Envoy, for a request that a rule on workload,
// operation and claims allows. One more is to be seen here first.
var budget = []string{
	"RequestHeaders",
	"Property",    // the peer
	"Property",    // the claims
	"Property",    // the remote address, for the record
	"SetProperty", // the record
	"AddMetric",   // decisions
}

const commonFile, commonCase = "../testdata/flagship.yaml", "backend, read claim, GET"

func TestHostCalls(t *testing.T) {
	assert.Equal(t, budget, casetest.NativeHostCalls(t, plugin.Filter, commonFile, commonCase))
}

func TestWasmHostCalls(t *testing.T) {
	assert.Equal(t, budget, casetest.WasmHostCalls(t, wasmtest.Artifact(t, plugin.Filter.Name), commonFile, commonCase))
}
