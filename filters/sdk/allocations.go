//go:build tinygo.wasm

package sdk

import "runtime"

// palisade_allocations is for tests, which count what a request allocates in the module as it is shipped. No host
// knows of it.
//
//export palisade_allocations
func allocations() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}
