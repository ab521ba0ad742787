package plugin_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/palisade-mesh/palisade/filters/casetest"
	"github.com/palisade-mesh/palisade/filters/wasmtest"
	"github.com/palisade-mesh/palisade/palisade-filter/plugin"
)

// budget are the calls of the host, each about a microsecond in Envoy, for a request with a token that is in the cache,
// which a rule on workload, operation and claims allows and a limit on its user admits. One more is to be seen here first.
// The three filters in a row ask for the headers and the peer three times, and for the claims twice.
var budget = []string{
	"RequestHeaders",
	"AddMetric",           // jwt_cache
	"RemoveRequestHeader", // authorization
	"SetRequestHeader",    // x-user
	"SetProperty",         // the claims
	"Property",            // the digest of the peer's certificate
	"Property",            // the remote address
	"SetProperty",         // jwt's record
	"AddMetric",           // jwt's decisions
	"SetProperty",         // authz's record
	"AddMetric",           // authz's decisions
	"SharedData",          // the bucket
	"SetSharedData",       // charged
	"SetProperty",         // ratelimit's record
	"AddMetric",           // ratelimit's decisions
}

const commonFile, commonCase = "../testdata/common.yaml", "a user's request through a workload"

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
