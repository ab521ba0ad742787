// Command ratelimit-filter is the Proxy-Wasm module that decides how often somebody may do something.
package main

import (
	"github.com/palisade-mesh/palisade/filters/sdk"
	"github.com/palisade-mesh/palisade/ratelimit-filter/plugin"
)

func init() { sdk.Run(plugin.Filter) }

func main() {}
