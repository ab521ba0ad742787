package jwt_test

import (
	"testing"

	"github.com/palisade-mesh/palisade/filters/schematest"
	"github.com/palisade-mesh/palisade/jwt-filter/jwt"
)

func TestSchema(t *testing.T) {
	decode := func(raw []byte) error { _, err := jwt.Decode(raw); return err }
	schematest.Check(t, "../jwt-filter.schema.json", decode, "../testdata/*.yaml")
}
