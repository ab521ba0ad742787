//go:build tinygo.wasm

package sdk

import (
	"unsafe"

	"github.com/palisade-mesh/palisade/filters/host"
)

// The SDK panics when a metric call fails, which would end the VM over a count: these are the ABI's own.

//go:wasmimport env proxy_define_metric
func proxyDefineMetric(kind uint32, name unsafe.Pointer, size uint32, id unsafe.Pointer) uint32

//go:wasmimport env proxy_increment_metric
func proxyIncrementMetric(id uint32, delta int64) uint32

//go:wasmimport env proxy_record_metric
func proxyRecordMetric(id uint32, value uint64) uint32

func (adapter) DefineMetric(kind host.MetricKind, name string) (uint32, error) {
	var id uint32
	status := proxyDefineMetric(uint32(kind), unsafe.Pointer(unsafe.StringData(name)), uint32(len(name)), unsafe.Pointer(&id))
	return id, failed(status)
}

func (adapter) AddMetric(id uint32, delta int64) error {
	return failed(proxyIncrementMetric(id, delta))
}

func (adapter) RecordMetric(id uint32, value uint64) error {
	return failed(proxyRecordMetric(id, value))
}

func failed(status uint32) error {
	if status != 0 {
		return host.ErrFailed
	}
	return nil
}
