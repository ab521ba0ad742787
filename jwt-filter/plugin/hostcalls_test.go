package plugin_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/palisade-mesh/palisade/filters/casetest"
	"github.com/palisade-mesh/palisade/filters/wasmtest"
	"github.com/palisade-mesh/palisade/jwt-filter/plugin"
)

// budget are the calls of the host, each about a microsecond in Envoy, for a request with a token that is in
// the cache and two claims that are handed on. One more is to be seen here first.
var budget = []string{
	"RequestHeaders",
	"AddMetric",           // jwt_cache
	"RemoveRequestHeader", // authorization
	"SetRequestHeader",    // x-user
	"SetRequestHeader",    // x-dept
	"SetProperty",         // the claims
	"Property",            // the peer, for the record
	"Property",            // the remote address, for the record
	"SetProperty",         // the record
	"AddMetric",           // decisions
}

const commonFile, commonCase = "../testdata/verify.yaml", "ES256"

func TestHostCalls(t *testing.T) {
	assert.Equal(t, budget, casetest.NativeHostCalls(t, plugin.Filter, commonFile, commonCase))
}

func TestWasmHostCalls(t *testing.T) {
	assert.Equal(t, budget, casetest.WasmHostCalls(t, wasmtest.Artifact(t, plugin.Filter.Name), commonFile, commonCase))
}
