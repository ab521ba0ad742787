// Command authz-filter is the Proxy-Wasm module that decides who may do what.
package main

import (
	"github.com/palisade-mesh/palisade/authz-filter/plugin"
	"github.com/palisade-mesh/palisade/filters/sdk"
)

func init() { sdk.Run(plugin.Filter) }

func main() {}
