// Command palisade-filter is the Proxy-Wasm module that runs jwt-filter, authz-filter and ratelimit-filter in one plugin.
package main

import (
	"github.com/palisade-mesh/palisade/filters/sdk"
	"github.com/palisade-mesh/palisade/palisade-filter/plugin"
)

func init() { sdk.Run(plugin.Filter) }

func main() {}
