package authz_test

import (
	"testing"

	"github.com/palisade-mesh/palisade/authz-filter/authz"
	"github.com/palisade-mesh/palisade/filters/schematest"
)

func TestSchema(t *testing.T) {
	decode := func(raw []byte) error { _, err := authz.Decode(raw); return err }
	schematest.Check(t, "../authz-filter.schema.json", decode, "../testdata/*.yaml")
}
