package plugin_test

import (
	"testing"

	"github.com/palisade-mesh/palisade/filters/casetest"
	"github.com/palisade-mesh/palisade/filters/wasmtest"
	"github.com/palisade-mesh/palisade/palisade-filter/plugin"
)

// tables are palisade-filter's own and those of the filters that it runs.
var tables = map[string]string{
	"palisade":  "../testdata/*.yaml",
	"jwt":       "../../jwt-filter/testdata/*.yaml",
	"authz":     "../../authz-filter/testdata/*.yaml",
	"ratelimit": "../../ratelimit-filter/testdata/*.yaml",
}

func forEachTable(t *testing.T, test func(t *testing.T, pattern string)) {
	for name, pattern := range tables {
		t.Run(name, func(t *testing.T) { test(t, pattern) })
	}
}

// The third ring, the same cases in stock Envoy, is in e2e.

func TestCases(t *testing.T) {
	forEachTable(t, func(t *testing.T, pattern string) { casetest.Native(t, plugin.Filter, pattern) })
}

func TestWasmCases(t *testing.T) {
	artifact := wasmtest.Artifact(t, plugin.Filter.Name)
	forEachTable(t, func(t *testing.T, pattern string) { casetest.Wasm(t, plugin.Filter.Name, artifact, pattern) })
}

func TestFaultsNeverWidenAccess(t *testing.T) {
	forEachTable(t, func(t *testing.T, pattern string) { casetest.Faults(t, plugin.Filter, pattern) })
}

// A request must be decided as if it were a worker's first, whatever was there before.

func TestWarm(t *testing.T) {
	forEachTable(t, func(t *testing.T, pattern string) { casetest.NativeWarm(t, plugin.Filter, pattern) })
}

func TestWasmWarm(t *testing.T) {
	artifact := wasmtest.Artifact(t, plugin.Filter.Name)
	forEachTable(t, func(t *testing.T, pattern string) { casetest.WasmWarm(t, plugin.Filter.Name, artifact, pattern) })
}
