// Command wafpeer is coraza-proxy-wasm, to measure waf-filter by. Its own main package cannot be imported, so this does the same.
package main

import (
	"github.com/corazawaf/coraza-proxy-wasm/wasmplugin"
	wasilibs "github.com/corazawaf/coraza-wasilibs"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm"
	_ "github.com/wasilibs/nottinygc"
)

func init() {
	wasilibs.RegisterRX()
	wasilibs.RegisterPM()
	wasilibs.RegisterSQLi()
	wasilibs.RegisterXSS()
	proxywasm.SetVMContext(wasmplugin.NewVMContext())
}

func main() {}
