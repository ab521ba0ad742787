// Command waf-filter is the Proxy-Wasm module that decides whether a request, or the answer to it, carries an attack.
package main

import (
	"github.com/palisade-mesh/palisade/filters/sdk"
	"github.com/palisade-mesh/palisade/waf-filter/plugin"
)

func init() { sdk.Run(plugin.Filter) }

func main() {}
