// Command jwt-filter is the Proxy-Wasm module that proves whose request it is.
package main

import (
	"github.com/palisade-mesh/palisade/filters/sdk"
	"github.com/palisade-mesh/palisade/jwt-filter/plugin"
)

func init() { sdk.Run(plugin.Filter) }

func main() {}
