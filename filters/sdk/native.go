//go:build !tinygo.wasm

// Package sdk runs a filter in a Proxy-Wasm module. It is the only package that talks to the host.
package sdk

import "github.com/palisade-mesh/palisade/filters/host"

// Run does nothing outside Wasm: there is no host to run in.
func Run(host.Filter) {}
