"""The entities of the demo ERP: ten, grown over the years on four kinds of database."""

from syncflow_pipelines.demo.entity import SourceColumn as C
from syncflow_pipelines.demo.entity import SourceEntity

ITEMS = SourceEntity(
    slug="items",
    name="Inventory Parts",
    description="Everything that is bought, made or sold. Oracle; whole transactions share a row version.",
    strategy="rowversion",
    business_keys=("item_number",),
    versions="time",
    rowversion_column="row_version",
    columns=(
        C("PART_NO", "VARCHAR2(25)", "item_number", False, "The part number"),
        C("DESCRIPTION", "NVARCHAR2(200)", "description", description="In the language of the country of origin"),
        C("UNIT_MEAS", "CHAR(3)", "unit"),
        C("PART_STATUS", "VARCHAR2(1 CHAR)", "status"),
        C("WEIGHT_NET", "NUMBER(10,3)", "net_weight_kg"),
        C("LEAD_TIME", "NUMBER(4,0)", "lead_time_days"),
        C("STD_COST", "NUMBER(38,18)", "standard_cost", description="More digits than a double holds"),
        C("CATALOG_TEXT", "CLOB", "catalogue_text"),
        C("DATE_CREATED", "DATE", "created_at", description="An Oracle DATE: it holds a time"),
        C("CAD_DIGEST", "RAW(16)", "drawing_digest", description="Hexadecimal"),
        C("OBJVERSION", "VARCHAR2(14)", "row_version"),
    ),
)

CUSTOMERS = SourceEntity(
    slug="customers",
    name="Customers",
    description="From the webshop; PostgreSQL.",
    strategy="hash",
    business_keys=("customer_id",),
    columns=(
        C("customer_id", "uuid", is_nullable=False),
        C("name", "character varying(120)", is_nullable=False),
        C("email", "text"),
        C("is_company", "boolean"),
        C("address", "jsonb"),
        C("tags", "json"),
        C("credit_limit", "numeric(18,2)"),
        C("discount", "real"),
        C("lifetime_value", "double precision"),
        C("born_on", "date"),
        C("calls_after", "time without time zone"),
        C("registered_at", "timestamp with time zone"),
    ),
)

SUPPLIERS = SourceEntity(
    slug="suppliers",
    name="Suppliers",
    description="From purchasing; SQL Server with its own rowversion counter.",
    strategy="rowversion",
    business_keys=("supplier_id",),
    versions="hex",
    columns=(
        C("SupplierID", "int", "supplier_id", False),
        C("SupplierGuid", "GUID", "supplier_guid"),
        C("Name", "NVARCHAR(100)", "name", False),
        C("VatNumber", "VARCHAR(20)", "vat_number"),
        C("Priority", "SMALLINT", "priority"),
        C("MinimumOrder", "MONEY", "minimum_order"),
        C("IsBlocked", "BIT", "is_blocked"),
        C("ContractHash", "VARBINARY(8)", "contract_hash", description="Base64"),
        C("OpensAt", "TIME(0)", "opens_at"),
        C("ModifiedAt", "DATETIME2(7)", "modified_at"),
        C("Notes", "NVARCHAR(MAX)", "notes"),
    ),
)

ORDERS = SourceEntity(
    slug="orders",
    name="Customer Orders",
    description="Order heads; Oracle, row versions are a plain counter.",
    strategy="rowversion",
    business_keys=("order_no",),
    versions="counter",
    rowversion_column="change_no",
    columns=(
        C("ORDER_NO", "NUMBER(10)", "order_no", False),
        C("CUSTOMER_REF", "VARCHAR2(40)", "customer_reference"),
        C("STATE", "VARCHAR2(20)", "state"),
        C("CURRENCY_CODE", "CHAR(3)", "currency"),
        C("TOTAL_AMOUNT", "NUMBER(18,2)", "total_amount"),
        C("EXACT_TOTAL", "NUMBER", "exact_total", description="Before rounding; bare digits, as many as it takes"),
        C("IS_RUSH", "BOOLEAN", "is_rush"),
        C("ORDERED_AT", "TIMESTAMP(6) WITH TIME ZONE", "ordered_at"),
        C("WANTED_DATE", "TIMESTAMP(6)", "wanted_at"),
        C("DELIVERY_TERMS", "JSON", "delivery_terms"),
        C("CHANGE_NO", "NUMBER(19)", "change_no"),
    ),
)

ORDER_LINES = SourceEntity(
    slug="order_lines",
    name="Customer Order Lines",
    description="The largest entity; nightly jobs stamp thousands of lines with one row version.",
    strategy="rowversion",
    business_keys=("order_no", "line_no"),
    versions="time",
    columns=(
        C("ORDER_NO", "NUMBER(10)", "order_no", False),
        C("LINE_NO", "NUMBER(4)", "line_no", False),
        C("PART_NO", "VARCHAR2(25)", "item_number", False),
        C("LINE_DESC", "VARCHAR2(200)", "description"),
        C("BUY_QTY_DUE", "NUMBER(12,3)", "quantity"),
        C("SALE_UNIT_PRICE", "NUMBER(18,4)", "unit_price"),
        C("DISCOUNT", "BINARY_DOUBLE", "discount"),
        C("PLANNED_DATE", "DATE", "planned_at"),
        C("STATE", "VARCHAR2(20)", "state"),
    ),
)

INVENTORY = SourceEntity(
    slug="inventory",
    name="Stock per Location",
    description="PostgreSQL; three columns make the key.",
    strategy="hash",
    business_keys=("site", "item_number", "bin"),
    columns=(
        C("site", "character(5)", is_nullable=False),
        C("item_number", "varchar(25)", is_nullable=False),
        C("bin", "text", is_nullable=False),
        C("quantity_on_hand", "decimal(18,3)", is_nullable=False),
        C("quantity_reserved", "decimal(18,3)"),
        C("is_frozen", "bool"),
        C("counted_on", "date"),
        C("moved_at", "timestamptz"),
        C("moves", "bigint"),
        C("lot_expires", "json", description="Lot to date of expiry"),
    ),
)

PRICES = SourceEntity(
    slug="prices",
    name="Sales Prices",
    description="From a pricing service that describes itself in JSON Schema.",
    strategy="full",
    business_keys=("price_list", "item_number", "valid_from"),
    columns=(
        C("priceList", "string", "price_list", False),
        C("itemNumber", "string", "item_number", False),
        C("validFrom", "date", "valid_from", False),
        C("amount", "number", "amount", False, "An exact decimal of up to thirty digits"),
        C("minQuantity", "integer", "min_quantity"),
        C("isNet", "bool", "is_net"),
        C("tiers", "array", "tiers"),
        C("conditions", "object", "conditions"),
        C("changedAt", "date-time", "changed_at"),
    ),
)

EMPLOYEES = SourceEntity(
    slug="employees",
    name="Employees",
    description="From personnel; row versions are ISO times.",
    strategy="rowversion",
    business_keys=("employee_no",),
    versions="iso",
    columns=(
        C("EMP_NO", "string", "employee_no", False),
        C("FULL_NAME", "text", "full_name"),
        C("HIRED", "date", "hired_on"),
        C("SHIFT_START", "TIME", "shift_start"),
        C("WEEKLY_HOURS", "double", "weekly_hours"),
        C("MANAGER_NO", "string", "manager_no"),
        C("BADGE", "UUID", "badge"),
        C("PHOTO", "BLOB", "photo", description="Base64"),
        C("SKILLS", "JSONB", "skills"),
    ),
)

EXCHANGE_RATES = SourceEntity(
    slug="exchange_rates",
    name="Exchange Rates",
    description="Numbers come as strings here, whatever their type.",
    strategy="full",
    business_keys=("rate_date", "currency"),
    columns=(
        C("RATE_DATE", "date", "rate_date", False),
        C("CURRENCY", "CHAR(3)", "currency", False),
        C("RATE", "DECIMAL(38,20)", "rate", False),
        C("INVERSE", "NUMERIC", "inverse"),
        C("SPREAD", "FLOAT", "spread"),
        C("QUOTES", "INTEGER", "quotes"),
    ),
)

SITES = SourceEntity(
    slug="sites",
    name="Sites",
    description="A small one, with a column of a type that PostgreSQL does not know.",
    strategy="full",
    business_keys=("site",),
    columns=(
        C("SITE", "CHAR(5)", "site", False),
        C("NAME", "NVARCHAR(60)", "name"),
        C("COUNTRY", "CHAR(2)", "country"),
        C("GEOMETRY", "SDO_GEOMETRY", "geometry"),
        C("OPENED", "DATE", "opened_at"),
        C("IS_OPEN", "BIT", "is_open"),
    ),
)
