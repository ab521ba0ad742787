package envoy

import (
	"encoding/json"
	"fmt"
	"os"
)

// WriteListeners replaces the file that Bootstrap.ListenersFile names (LDS).
func WriteListeners(path string, listeners ...Listener) error {
	rendered, err := renderListeners(listeners)
	if err != nil {
		return err
	}
	return writeResources(path, "envoy.config.listener.v3.Listener", rendered...)
}

// WriteDiscovery replaces the file that w.DiscoveryFile names (ECDS).
func (w Wasm) WriteDiscovery() error {
	filter, err := w.renderConfig()
	if err != nil {
		return err
	}
	return writeResources(w.DiscoveryFile, "envoy.config.core.v3.TypedExtensionConfig", filter)
}

// writeResources replaces a file by renaming another one, which is what Envoy
// waits for: it takes no notice of a file that is written in place, and so
// never sees half of one.
func writeResources(path, kind string, resources ...any) error {
	for _, r := range resources {
		r.(object)["@type"] = "type.googleapis.com/" + kind
	}
	text, err := json.MarshalIndent(object{"resources": resources}, "", "  ")
	if err != nil {
		return fmt.Errorf("envoy: %w", err)
	}
	next := path + ".next"
	if err := os.WriteFile(next, text, 0o600); err != nil {
		return fmt.Errorf("envoy: %w", err)
	}
	if err := os.Rename(next, path); err != nil {
		return fmt.Errorf("envoy: %w", err)
	}
	return nil
}

func fileSource(path string) object {
	return object{"path_config_source": object{"path": path}, "resource_api_version": "V3"}
}
