package plugin_test

import (
	"testing"

	"github.com/palisade-mesh/palisade/authz-filter/plugin"
	"github.com/palisade-mesh/palisade/filters/casetest"
	"github.com/palisade-mesh/palisade/filters/wasmtest"
)

// A request must be decided as if it were a worker's first, whatever was there before.

func TestWarm(t *testing.T) { casetest.NativeWarm(t, plugin.Filter, cases) }

func TestWasmWarm(t *testing.T) {
	casetest.WasmWarm(t, plugin.Filter.Name, wasmtest.Artifact(t, plugin.Filter.Name), cases)
}
