package plugin_test

import (
	"testing"

	"github.com/palisade-mesh/palisade/filters/casetest"
	"github.com/palisade-mesh/palisade/filters/wasmtest"
	"github.com/palisade-mesh/palisade/waf-filter/plugin"
)

const cases = "../testdata/*.yaml"

// The third ring, the same cases in stock Envoy, is in e2e.

func TestCases(t *testing.T) { casetest.Native(t, plugin.Filter, cases) }

func TestFaultsNeverWidenAccess(t *testing.T) { casetest.Faults(t, plugin.Filter, cases) }

// A request must be decided as if it were a worker's first, whatever was there before.

func TestWarm(t *testing.T) { casetest.NativeWarm(t, plugin.Filter, cases) }

func TestWasmCases(t *testing.T) {
	casetest.Wasm(t, plugin.Filter.Name, wasmtest.Artifact(t, plugin.Filter.Name), cases)
}
