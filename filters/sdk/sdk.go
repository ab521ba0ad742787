//go:build tinygo.wasm

// Package sdk runs a filter in a Proxy-Wasm module. It is the only package that talks to the host: abi.go has what a
// module may call (ABI 0.2.0, https://github.com/proxy-wasm/spec/tree/main/abi-versions/v0.2.0), exports.go what the
// host calls, adapter.go makes a host.Host of it.
package sdk

import "github.com/palisade-mesh/palisade/filters/host"

// Run registers a filter. Call it in func init: a module built as a reactor has no main.
func Run(f host.Filter) { filter = f }

// The VM's state. There is one thread, and callbacks do not nest.
var (
	filter  host.Filter
	plugins pluginTable
	streams streamTable
	lent    arena // what the host returned during this callback

	headers        headerList // of the request or response at hand
	answerHeaders  headerList // of the answer to a call at hand
	answerTrailers headerList

	// current is whom calls are about.
	current struct {
		plugin, stream uint32
		end            bool // of the message at hand
	}
)
