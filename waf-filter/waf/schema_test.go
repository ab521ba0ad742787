package waf_test

import (
	"testing"

	"github.com/palisade-mesh/palisade/filters/schematest"
	"github.com/palisade-mesh/palisade/waf-filter/waf"
)

func TestSchema(t *testing.T) {
	decode := func(raw []byte) error { _, err := waf.Decode(raw); return err }
	schematest.Check(t, "../waf-filter.schema.json", decode, "../testdata/*.yaml")
}
