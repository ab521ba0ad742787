package plugin_test

import (
	"testing"

	"github.com/palisade-mesh/palisade/filters/casetest"
	"github.com/palisade-mesh/palisade/filters/wasmtest"
	"github.com/palisade-mesh/palisade/waf-filter/plugin"
)

// The budgets are in docs/budgets.yaml.

func TestBudgets(t *testing.T) { casetest.NativeBudgets(t, plugin.Filter) }

func TestWasmBudgets(t *testing.T) {
	casetest.WasmBudgets(t, plugin.Filter.Name, wasmtest.Artifact(t, plugin.Filter.Name))
}
