package plugin_test

import (
	"testing"

	"github.com/palisade-mesh/palisade/authz-filter/plugin"
	"github.com/palisade-mesh/palisade/filters/casetest"
	"github.com/palisade-mesh/palisade/filters/wasmtest"
)

const cases = "../testdata/*.yaml"

// The third ring, the same cases in stock Envoy, is in e2e.

func TestCases(t *testing.T) { casetest.Native(t, plugin.Filter, cases) }

func TestWasmCases(t *testing.T) {
	casetest.Wasm(t, plugin.Filter.Name, wasmtest.Artifact(t, plugin.Filter.Name), cases)
}
