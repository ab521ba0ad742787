package envoy

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/palisade-mesh/palisade/e2e/pki"
)

// Bootstrap is the part of Envoy's configuration that the tests and the demo
// vary. String gives the whole.
type Bootstrap struct {
	Listeners []Listener
	// ListenersFile, if set, is where Envoy finds its listeners instead, and
	// looks again whenever WriteListeners replaces it.
	ListenersFile string
	Clusters      []Cluster
}

// Listener accepts HTTP on loopback and sends it to one cluster.
type Listener struct {
	Name string
	// Port is 0 for any free one.
	Port int
	// TLS is nil for plain HTTP.
	TLS *ServerTLS
	// Inspectors are the listener filters, which see a connection first.
	Inspectors []Extension
	// Native are Envoy's own HTTP filters. They run before Filters.
	Native []Extension
	// Filters run in this order, before the router.
	Filters []Wasm
	// Cluster is where requests that pass go.
	Cluster string
	// Manager has further fields of the HttpConnectionManager.
	Manager map[string]any
}

// Extension is a part of Envoy's own.
type Extension struct {
	// Name is what configurations and statistics call it.
	Name string
	// Type of Config, such as "envoy.extensions.filters.http.rbac.v3.RBAC".
	Type   string
	Config map[string]any
}

// TLSInspector is the inspector by which Envoy learns of the SNI.
var TLSInspector = Extension{
	Name: "envoy.filters.listener.tls_inspector",
	Type: "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
}

// ServerTLS is how a listener proves itself and what it asks of its clients.
type ServerTLS struct {
	pki.Files
	// RequireClientCertificate refuses clients that are not vouched for by
	// Files.CA.
	RequireClientCertificate bool
	// AskForClientCertificate accepts clients without a certificate, but
	// verifies one that is shown.
	AskForClientCertificate bool
	// ALPN are the protocols that clients may choose from, such as "h2".
	ALPN []string
}

// Wasm is one Proxy-Wasm filter with its configuration.
type Wasm struct {
	// Name of the filter, such as "jwt-filter". It is also the root ID and
	// the ID of the VM.
	Name string
	// Plugin is the plugin's own name; empty means Name.
	Plugin string
	// File holds the module; empty means WasmFile(Name).
	File string
	// Config is the filter's configuration as JSON.
	Config string
	// AsStruct gives it as a google.protobuf.Struct, not as text.
	AsStruct bool
	// FailurePolicy is FAIL_RELOAD unless set.
	FailurePolicy string
	// StopIteration sets allow_on_headers_stop_iteration, as filters that read
	// bodies need it.
	StopIteration bool
	// DiscoveryFile, if set, is where Envoy finds all of this but the name, and
	// looks again whenever WriteDiscovery replaces it.
	DiscoveryFile string
}

// Cluster is one upstream address.
type Cluster struct {
	Name string
	// Host and Port of the upstream. Without a host, the cluster has no endpoint.
	Host string
	Port int
	// TLS is nil for plain HTTP.
	TLS *ClientTLS
	// HTTP2 is for an upstream that speaks HTTP/2, as gRPC servers do.
	HTTP2 bool
}

// ClientTLS is how a cluster proves itself, and whom it accepts.
type ClientTLS struct {
	pki.Files
	// ServerID is the SPIFFE ID that the upstream must have.
	ServerID string
}

type object = map[string]any
type list = []any

// String is the bootstrap as JSON, which is YAML.
func (b Bootstrap) String() (string, error) {
	listeners, err := renderListeners(b.Listeners)
	if err != nil {
		return "", err
	}
	clusters := make(list, 0, len(b.Clusters))
	for _, c := range b.Clusters {
		clusters = append(clusters, c.render())
	}
	bootstrap := object{
		// Dynamic configuration is only for an Envoy that has a name.
		"node":             object{"id": "palisade", "cluster": "palisade"},
		"admin":            object{"address": socketAddress("127.0.0.1", 0)},
		"stats_config":     object{"stats_tags": statsTags()},
		"static_resources": object{"listeners": listeners, "clusters": clusters},
	}
	if b.ListenersFile != "" {
		bootstrap["dynamic_resources"] = object{"lds_config": fileSource(b.ListenersFile)}
	}
	text, err := json.MarshalIndent(bootstrap, "", "  ")
	if err != nil {
		return "", fmt.Errorf("envoy: %w", err)
	}
	return string(text), nil
}

func renderListeners(listeners []Listener) (list, error) {
	rendered := make(list, 0, len(listeners))
	for _, l := range listeners {
		listener, err := l.render()
		if err != nil {
			return nil, err
		}
		rendered = append(rendered, listener)
	}
	return rendered, nil
}

func (l Listener) render() (object, error) {
	filters := renderExtensions(l.Native)
	for _, wasm := range l.Filters {
		filter, err := wasm.render()
		if err != nil {
			return nil, err
		}
		filters = append(filters, filter)
	}
	filters = append(filters, named("envoy.filters.http.router", "envoy.extensions.filters.http.router.v3.Router", object{}))
	manager := object{
		"stat_prefix": l.Name,
		// Callers choose the ID by which they find their record again.
		"preserve_external_request_id": true,
		"generate_request_id":          true,
		"http_filters":                 filters,
		"access_log":                   list{accessLog()},
		"route_config": object{"virtual_hosts": list{object{
			"name": l.Name, "domains": list{"*"},
			"routes": list{object{"match": object{"prefix": "/"}, "route": object{"cluster": l.Cluster}}},
		}}},
	}
	maps.Copy(manager, l.Manager)
	chain := object{"filters": list{named("envoy.filters.network.http_connection_manager",
		"envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", manager)}}
	if l.TLS != nil {
		common := commonTLS(l.TLS.Files)
		if l.TLS.RequireClientCertificate || l.TLS.AskForClientCertificate {
			common["validation_context"] = object{"trusted_ca": object{"filename": l.TLS.CA}}
		}
		if l.TLS.ALPN != nil {
			common["alpn_protocols"] = l.TLS.ALPN
		}
		chain["transport_socket"] = named("envoy.transport_sockets.tls",
			"envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext", object{
				"require_client_certificate": l.TLS.RequireClientCertificate,
				"common_tls_context":         common,
				// Every handshake shows a certificate: what a case says about
				// the caller is never left over from an earlier session.
				"disable_stateless_session_resumption": true,
			})
	}
	return object{
		"name": l.Name, "address": socketAddress("127.0.0.1", l.Port),
		"listener_filters": renderExtensions(l.Inspectors), "filter_chains": list{chain},
	}, nil
}

func renderExtensions(extensions []Extension) list {
	rendered := make(list, 0, len(extensions))
	for _, e := range extensions {
		rendered = append(rendered, named(e.Name, e.Type, maps.Clone(e.Config)))
	}
	return rendered
}

func (w Wasm) render() (object, error) {
	if w.DiscoveryFile != "" {
		return object{"name": w.extensionName(), "config_discovery": object{
			"config_source": fileSource(w.DiscoveryFile),
			"type_urls":     list{"type.googleapis.com/" + wasmType},
		}}, nil
	}
	return w.renderConfig()
}

func (w Wasm) extensionName() string { return "palisade." + w.Name }

const wasmType = "envoy.extensions.filters.http.wasm.v3.Wasm"

func (w Wasm) renderConfig() (object, error) {
	file := w.File
	if file == "" {
		var err error
		if file, err = WasmFile(w.Name); err != nil {
			return nil, err
		}
	}
	policy := w.FailurePolicy
	if policy == "" {
		policy = "FAIL_RELOAD"
	}
	configuration := object{"@type": "type.googleapis.com/google.protobuf.StringValue", "value": w.Config}
	if w.AsStruct {
		configuration = object{"@type": "type.googleapis.com/google.protobuf.Struct", "value": json.RawMessage(w.Config)}
	}
	config := object{
		"name":           cmp.Or(w.Plugin, w.Name),
		"root_id":        w.Name,
		"failure_policy": policy,
		"vm_config": object{
			"vm_id":   w.Name,
			"runtime": "envoy.wasm.runtime.v8",
			"code":    object{"local": object{"filename": file}},
		},
		"configuration": configuration,
	}
	if w.StopIteration {
		config["allow_on_headers_stop_iteration"] = true
	}
	return named(w.extensionName(), wasmType, object{"config": config}), nil
}

func (c Cluster) render() object {
	cluster := object{
		"name": c.Name, "type": "STATIC", "connect_timeout": "2s",
		"load_assignment": object{"cluster_name": c.Name, "endpoints": list{object{"lb_endpoints": list{
			object{"endpoint": object{"address": socketAddress(c.Host, c.Port)}},
		}}}},
	}
	if c.Host == "" {
		delete(cluster, "load_assignment")
	}
	if c.HTTP2 {
		const kind = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
		cluster["typed_extension_protocol_options"] = object{kind: object{
			"@type":                "type.googleapis.com/" + kind,
			"explicit_http_config": object{"http2_protocol_options": object{}},
		}}
	}
	if c.TLS != nil {
		common := commonTLS(c.TLS.Files)
		common["validation_context"] = object{
			"trusted_ca": object{"filename": c.TLS.CA},
			"match_typed_subject_alt_names": list{
				object{"san_type": "URI", "matcher": object{"exact": c.TLS.ServerID}},
			},
		}
		cluster["transport_socket"] = named("envoy.transport_sockets.tls",
			"envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext", object{"common_tls_context": common})
	}
	return cluster
}

func commonTLS(files pki.Files) object {
	return object{"tls_certificates": list{object{
		"certificate_chain": object{"filename": files.Cert},
		"private_key":       object{"filename": files.Key},
	}}}
}

// named is an extension: its name and its typed configuration.
func named(name, kind string, config object) object {
	if config == nil {
		config = object{}
	}
	config["@type"] = "type.googleapis.com/" + kind
	return object{"name": name, "typed_config": config}
}

func socketAddress(host string, port int) object {
	return object{"socket_address": object{"address": host, "port_value": port}}
}
