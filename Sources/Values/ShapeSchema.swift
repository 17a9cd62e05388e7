/// The JSON Schema (draft 2020-12) of a shape: what `jobctl schema` prints.

extension Shape {
  package var schema: JSON {
    switch self {
    case .name: ["type": "string", "pattern": .string(namePattern)]
    case .text: ["type": "string"]
    case .bool: ["type": "boolean"]
    case .choice(let names, _): ["enum": .array(names.map(JSON.string))]
    case .word(let allowed, let pattern, _, _):
      ["type": "string", "pattern": .string(pattern), "description": .string(allowed)]
    case .integer(let range):
      .object(
        [.init("type", "integer"), .init("minimum", .integer(range.lowerBound))]
          + (range.upperBound == .max ? [] : [.init("maximum", .integer(range.upperBound))]))
    case .number(let bounds): .object([.init("type", "number")] + bounds.schema)
    case .fraction(let bounds, _):
      [
        "anyOf": [
          .object([.init("type", "number")] + bounds.schema),
          ["type": "string", "pattern": "^[0-9]+/[0-9]+$"],
        ]
      ]
    case .list(let item, let count):
      .object(
        [.init("type", "array"), .init("items", item.schema)]
          + (count.lowerBound == 0 ? [] : [.init("minItems", .integer(count.lowerBound))])
          + [.init("maxItems", .integer(count.upperBound))])
    case .map(let item, _): ["type": "object", "additionalProperties": item.schema]
    case .either(let shapes): ["anyOf": .array(shapes.map(\.schema))]
    case .object(let object): object.schema
    case .anything: true
    }
  }
}

extension Shape.Bounds {
  fileprivate var schema: [JSON.Member] {
    [JSON.Member(lowIsAllowed ? "minimum" : "exclusiveMinimum", .real(low))]
      + (high.isFinite ? [JSON.Member("maximum", .real(high))] : [])
  }
}

extension ObjectShape {
  fileprivate var schema: JSON {
    let properties = fields.map { field in
      let schema = field.shape.schema
      return JSON.Member(
        field.key,
        .object([JSON.Member("description", .string(field.doc))] + (schema.members ?? [])))
    }
    let required = fields.filter(\.isRequired).map { JSON.string($0.key) }
    return .object(
      [
        .init("type", "object"), .init("additionalProperties", false),
        .init("properties", .object(properties)),
      ] + (required.isEmpty ? [] : [.init("required", .array(required))]))
  }
}
