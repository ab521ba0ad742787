package main

import (
	"github.com/palisade-mesh/palisade/e2e/envoy"
)

type (
	object = map[string]any
	list   = []any
)

// filter renders an HTTP filter of Envoy. What is large is made only then.
type filter func() (object, error)

// native is a filter that Envoy brings along.
func native(name, kind string, config func() object) filter {
	return func() (object, error) { return typed(name, kind, config()), nil }
}

// wasm is a module in the build folder, such as "authz-filter", with its configuration.
func wasm(module string, config func() string) filter {
	return func() (object, error) {
		file, err := envoy.WasmFile(module)
		if err != nil {
			return nil, err
		}
		return wasmFile(module, file, config()), nil
	}
}

func wasmFile(module, file, config string) object {
	return typed("palisade", "envoy.extensions.filters.http.wasm.v3.Wasm", object{"config": object{
		"name": module, "root_id": module,
		"failure_policy": "FAIL_RELOAD",
		"vm_config": object{
			"vm_id":   module,
			"runtime": "envoy.wasm.runtime.v8",
			"code":    object{"local": object{"filename": file}},
		},
		"configuration": object{"@type": "type.googleapis.com/google.protobuf.StringValue", "value": config},
	}})
}

// empty is a filter that does nothing, not even read a configuration.
func empty(module string) filter { return wasm(module, func() string { return "" }) }

// listenerName is also the prefix of its statistics.
const listenerName = "bench"

// bootstrap is an Envoy that answers every request itself, if the filters let it pass.
func bootstrap(filters []filter) (string, error) {
	answer := object{"status": 200, "body": object{"inline_string": "ok"}}
	return render(filters, object{"direct_response": answer}, list{})
}

// render has the route's action and the clusters that it needs. It is JSON: Envoy reads that without the memory that YAML of this
// size leaves behind.
func render(filters []filter, action object, clusters list) (string, error) {
	chain := make(list, 0, len(filters)+1)
	for _, f := range filters {
		rendered, err := f()
		if err != nil {
			return "", err
		}
		chain = append(chain, rendered)
	}
	chain = append(chain, typed("router", "envoy.extensions.filters.http.router.v3.Router", object{}))
	action["match"] = object{"prefix": "/"}
	manager := typed("http", "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", object{
		"stat_prefix":  listenerName,
		"http_filters": chain,
		"route_config": object{"virtual_hosts": list{object{
			"name": "all", "domains": list{"*"},
			"routes": list{action},
		}}},
	})
	return compact(object{
		"node":  object{"id": listenerName, "cluster": listenerName}, // without which nothing is discovered
		"admin": object{"address": loopback()},
		"static_resources": object{"clusters": clusters, "listeners": list{object{
			"name": listenerName, "address": loopback(), "filter_chains": list{object{"filters": list{manager}}},
			// Otherwise the kernel spreads connections over workers by chance, and few of them unevenly.
			"connection_balance_config": object{"exact_balance": object{}},
		}}},
	}), nil
}

// typed is an extension: its name and its configuration, with its type.
func typed(name, kind string, config object) object {
	config["@type"] = "type.googleapis.com/" + kind
	return object{"name": name, "typed_config": config}
}

func loopback() object {
	return object{"socket_address": object{"address": "127.0.0.1", "port_value": 0}}
}
