package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"github.com/palisade-mesh/palisade/e2e/bench/traffic"
	"github.com/palisade-mesh/palisade/e2e/envoy"
	"github.com/palisade-mesh/palisade/e2e/wafpeer"
)

// wafColumn is a filter that is measured, in an Envoy of its own.
type wafColumn struct {
	name, file string // without a file it is none
	config     string
	// idle has no rules: what is left is what the module costs before it has any.
	idle string
}

// Names of columns.
const (
	wafColumnName  = "waf-filter"
	peerColumnName = "coraza-proxy-wasm"
)

// chosenColumns are no filter, which all others are compared with, the peer, waf-filter and the further modules.
func (o *wafOptions) chosenColumns() ([]wafColumn, error) {
	columns := []wafColumn{{name: baseline}}
	if o.columns.MatchString(peerColumnName) {
		file, err := envoy.WasmFile(wafpeer.Module)
		if err != nil {
			return nil, err
		}
		config, err := wafpeer.Profile(1)
		if err != nil {
			return nil, err
		}
		columns = append(columns, wafColumn{name: peerColumnName, file: file, config: config})
	}
	builds := o.modules
	if o.columns.MatchString(wafColumnName) {
		builds = append([]wafColumn{{name: wafColumnName}}, builds...)
	}
	for _, build := range builds {
		column, err := o.wafColumn(build.name, build.file)
		if err != nil {
			return nil, err
		}
		columns = append(columns, column)
	}
	idle, err := wafpeer.Config([]string{"SecRuleEngine Off"}) // which all of them take
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for i := range columns {
		columns[i].idle = idle
		if names[columns[i].name] {
			return nil, fmt.Errorf("two columns are named %s", columns[i].name)
		}
		names[columns[i].name] = true
	}
	return columns, nil
}

// wafColumn is a build of waf-filter; without a file, the one in the build folder.
func (o *wafOptions) wafColumn(name, file string) (wafColumn, error) {
	var err error
	if file == "" {
		file, err = envoy.WasmFile(wafColumnName)
	} else {
		file, err = filepath.Abs(file)
	}
	return wafColumn{name: name, file: file, config: o.config}, err
}

// bootstrap is an Envoy with the filter in front of an upstream.
func (c *wafColumn) bootstrap(config string, upstream net.Addr) (string, error) {
	var chain []filter
	if c.file != "" {
		if _, err := os.Stat(c.file); err != nil {
			return "", err
		}
		chain = append(chain, func() (object, error) { return wasmFile(c.name, c.file, config), nil })
	}
	address := upstream.(*net.TCPAddr)
	cluster := object{
		"name": "upstream", "type": "STATIC", "connect_timeout": "2s",
		"load_assignment": object{"cluster_name": "upstream", "endpoints": list{object{"lb_endpoints": list{object{"endpoint": object{
			"address": object{"socket_address": object{"address": address.IP.String(), "port_value": address.Port}},
		}}}}}},
	}
	return render(chain, object{"route": object{"cluster": "upstream"}}, list{cluster})
}

// expected are the requests with what the column answers: without a filter, an attack is a request like any other.
func (c *wafColumn) expected(pool []traffic.Request) []traffic.Request {
	if c.file != "" {
		return pool
	}
	out := make([]traffic.Request, len(pool))
	for i, r := range pool {
		r.Status = http.StatusOK
		out[i] = r
	}
	return out
}
